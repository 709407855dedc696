"""`python -m SAMedCore` is `samed`."""

import sys

from SAMedCore.cli import main

sys.exit(main())
