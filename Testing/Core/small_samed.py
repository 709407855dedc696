"""`python small_samed.py COMMAND ...`: `samed` with the small network and the recipe of seconds of `cli_files`."""

import sys

from cli_files import ONE_BLOCK, SMALL_FEW_SHOT

from SAMedCore.cli import main
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.train import recipe

ARCHITECTURES["vit_b"] = ONE_BLOCK
recipe.PRESETS["few-shot"] = SMALL_FEW_SHOT

if __name__ == "__main__":
    sys.exit(main())
