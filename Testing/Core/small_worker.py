"""`python small_worker.py --folder FOLDER`: the real worker with the small network of `cli_files`, in bad company.

Whenever the network encodes, it writes to stdout in every way there is and a lot to stderr, and takes a tenth of a second
longer. The first time it starts a child process that would stay for ten minutes. What it encodes for prompting is counted on
stderr.
"""

import ctypes
import os
import runpy
import subprocess
import sys
import time

from cli_files import ONE_BLOCK, SMALL_FEW_SHOT

from SAMedCore.model import sam as sam_module
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.promptable import Promptable
from SAMedCore.train import recipe

LIBC = ctypes.CDLL(None)
NOISE = '{"type": "Result", "number": 1}'
children = []
encode = sam_module.Sam.encode
encode_for_prompting = Promptable.encode


def noisy_encode(self, images):
    print(NOISE)
    os.write(1, NOISE.encode())
    LIBC.puts(NOISE.encode())
    LIBC.fflush(None)
    print("a warning " * 2000, file=sys.stderr)
    if not children:
        children.append(subprocess.Popen(["sleep", "600"]))
    time.sleep(0.1)
    return encode(self, images)


def counted_encode(self, images):
    embedding = encode_for_prompting(self, images)
    print("encoded for prompting", file=sys.stderr)
    return embedding


ARCHITECTURES["vit_b"] = ONE_BLOCK
recipe.PRESETS["few-shot"] = SMALL_FEW_SHOT
sam_module.Sam.encode = noisy_encode
Promptable.encode = counted_encode
runpy.run_module("SAMedCore.service", run_name="__main__")
