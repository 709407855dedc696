"""The other end of the connection: ``python -m SAMedCore.remote.far``, started by ssh.

It greets with what is here, before anything is imported that may be missing.
"""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from SAMedCore import __version__
from SAMedCore.remote.frames import FRAMES_VERSION, greeting
from SAMedCore.service.events import PROTOCOL
from SAMedCore.service.process import take_streams

PACKAGES = {
    "accelerate": "0.34",
    "huggingface_hub": "0.25",
    "matplotlib": "3.8",
    "numpy": "1.26",
    "platformdirs": "4",
    "peft": "0.15",
    "safetensors": "0.4",
    "scipy": "1.11",
    "segment-anything": "1.0",
    "SimpleITK": "2.3",
    "torch": "2.4",
    "torchvision": "0.19",
    "tqdm": "4.66",
}
"""What SAMedCore needs, and the oldest version of it that will do. A test keeps this equal to pyproject.toml."""


def main() -> None:
    """Greet and serve; where something is missing, greet and go."""
    incoming, outgoing = take_streams()
    found = {name: _version(name) for name in PACKAGES}
    facts = {
        "frames": FRAMES_VERSION,
        "protocol": PROTOCOL,
        "version": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "packages": found,
        "missing": [name for name, here in found.items() if here is None],
    }
    if facts["missing"]:
        os.write(outgoing, greeting(facts))
        sys.exit(3)

    from SAMedCore.remote.far_end import serve

    code = serve(incoming, outgoing, facts)
    os._exit(code)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
