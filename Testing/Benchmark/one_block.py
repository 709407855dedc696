"""`python one_block.py MODULE ARGUMENTS`: run it as `python -m MODULE` would, with a vit_b of one block."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "Core"))

import networks

if __name__ == "__main__":
    networks.use_one_block()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
