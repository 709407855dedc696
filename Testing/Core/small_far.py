"""`python small_far.py -m SAMedCore.remote.far`: the real far end, whose worker is that of `small_worker`."""

from pathlib import Path

from SAMedCore.remote import far, far_end

far_end.WORKER = (str(Path(__file__).resolve().with_name("small_worker.py")),)
far.main()
