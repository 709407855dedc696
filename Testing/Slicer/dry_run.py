"""What pip would install into Slicer 5.12 on each system: `python Testing/Slicer/dry_run.py` asks pip's index, writes it down.

Nothing is downloaded but metadata. Pip reads markers such as `platform_system == "Linux"` of the interpreter that runs it,
whatever `--platform` says, so it runs here under the other system's markers.
"""

from __future__ import annotations

import datetime
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import Request, url2pathname, urlopen

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "SlicerSAMed" / "Resources"
SHIPPED = Path(__file__).parent / "data" / "slicer-5.12-packages.txt"
TORCH_REQUIREMENTS = ("torch>=2.4", "torchvision>=0.19")

PIP_UNDER_OTHER_MARKERS = """
import json, sys
from pip._vendor.packaging import markers
ours = markers.default_environment
theirs = json.loads(sys.argv.pop(1))
markers.default_environment = lambda: {**ours(), **theirs}
from pip._internal.cli.main import main
sys.exit(main())
"""
PYTHON_3_12 = {"python_version": "3.12", "python_full_version": "3.12.10", "implementation_name": "cpython"}


@dataclass(frozen=True)
class System:
    """A system that Slicer runs on.

    Attributes:
        title: for people.
        platforms: pip's tags, the preferred first.
        markers: what differs in the environment markers.
    """

    title: str
    platforms: tuple[str, ...]
    markers: dict[str, str]


@dataclass(frozen=True)
class Wheel:
    """A file that pip would download."""

    name: str
    version: str
    megabytes: float


SYSTEMS = {
    "win32": System(
        "Windows",
        ("win_amd64",),
        {"os_name": "nt", "platform_machine": "AMD64", "platform_system": "Windows", "sys_platform": "win32"},
    ),
    "linux": System(
        "Linux (glibc 2.35)",
        (*(f"manylinux_2_{minor}_x86_64" for minor in range(35, 16, -1)), "manylinux2014_x86_64", "manylinux2010_x86_64"),
        {"os_name": "posix", "platform_machine": "x86_64", "platform_system": "Linux", "sys_platform": "linux"},
    ),
    "darwin": System(
        "macOS 14 (Apple silicon)",
        ("macosx_14_0_arm64",),
        {"os_name": "posix", "platform_machine": "arm64", "platform_system": "Darwin", "sys_platform": "darwin"},
    ),
}
"""By the system's `sys.platform`."""


def resolve(system: System, requirements: list[str]) -> list[Wheel]:
    """What pip would download in a Slicer that has only its own packages.

    Raises:
        RuntimeError: pip finds no set of versions.
    """
    with tempfile.TemporaryDirectory() as target:
        arguments = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--target", target]
        arguments += ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
        arguments += [word for abi in ("cp312", "abi3", "none") for word in ("--abi", abi)]
        arguments += [word for tag in system.platforms for word in ("--platform", tag)]
        markers = json.dumps({**PYTHON_3_12, **system.markers})
        command = [sys.executable, "-c", PIP_UNDER_OTHER_MARKERS, markers, *arguments, "-c", str(SHIPPED), *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{system.title}: {done.stderr}")
    shipped = {_canonical(line.split("==")[0]) for line in listed(SHIPPED)}
    found = [(entry["metadata"], entry["download_info"]["url"]) for entry in json.loads(done.stdout)["install"]]
    return [
        Wheel(metadata["name"], metadata["version"], _bytes(address) / 1e6)
        for metadata, address in found
        if _canonical(metadata["name"]) not in shipped
    ]


def listed(path: Path) -> list[str]:
    """The lines of a requirements file that are no comment."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def megabytes(wheels: list[Wheel]) -> float:
    return sum(wheel.megabytes for wheel in wheels)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _bytes(address: str) -> int:
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).stat().st_size
    with urlopen(Request(address, method="HEAD")) as answer:
        return int(answer.headers["Content-Length"])


def main() -> None:
    """Write Docs/packages.md and the sizes that the module's dialog names."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    sizes: dict[str, dict[str, float]] = {}
    rows = []
    for platform, system in SYSTEMS.items():
        everything = resolve(system, [*TORCH_REQUIREMENTS, *listed(RESOURCES / "requirements.txt")])
        torch = megabytes(resolve(system, [*TORCH_REQUIREMENTS]))
        versions = {wheel.name: wheel.version for wheel in everything}
        sizes[platform] = {"torch": round(torch), "others": round(megabytes(everything) - torch)}
        rows.append(
            f"| {system.title} | yes | {len(everything)} | {megabytes(everything):,.0f} | {torch:,.0f} | {versions['torch']} |"
        )
        print(rows[-1])
    (RESOURCES / "download-sizes.json").write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    page = (ROOT / "Docs" / "packages.md").read_text(encoding="utf-8")
    head = page.partition("\n| system")[0]
    head = re.sub(r"\d{4}-\d\d-\d\d", today, head)
    table = "\n| system | resolves | packages | MB | of them PyTorch and its own | torch |\n|---|---|---|---|---|---|\n"
    (ROOT / "Docs" / "packages.md").write_text(head + table + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
