"""Known vulnerabilities of what SAMed needs, the installed versions and the oldest that it allows: `python Tools/audit.py`.

pip-audit calls a package that the index does not answer for "skipped" and succeeds. So a version that is known to be vulnerable
is asked about with the others: unless that one is found, nothing was audited, and this says so.

Exit code: 0 nothing found, 1 something found, 2 not audited (0 with --if-reachable, which `make check` gives).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
CANARY = ("django", "1.2")
"""Nothing here needs it; its vulnerabilities have been known since 2010."""

SERVICES = ("osv", "pypi")
"""Whom pip-audit asks, one after the other until one knows the canary."""

ACCEPTED: dict[str, str] = {}
"""An advisory's identifier -> why it does not concern SAMed."""

SECONDS = 300
NAME_AND_OLDEST = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(?:[=>]=\s*([0-9][0-9A-Za-z.]*))?")
Version = tuple[str, str]


def declared() -> Iterator[str]:
    """The requirements that a user gets, those of the extras too."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    yield from project["dependencies"]
    for requirements in project["optional-dependencies"].values():
        yield from requirements


def oldest() -> set[Version]:
    """The lowest version that each declared requirement allows."""
    found = (NAME_AND_OLDEST.match(requirement) for requirement in declared())
    return {(_canonical(match[1]), match[2]) for match in found if match is not None and match[2] is not None}


def installed() -> set[Version]:
    """The versions here of all that is declared, and of what that needs in turn."""
    versions: set[Version] = set()
    waiting, seen = list(declared()), set()
    while waiting:
        match = NAME_AND_OLDEST.match(waiting.pop())
        if match is None or _canonical(match[1]) in seen:
            continue
        seen.add(_canonical(match[1]))
        try:
            distribution = metadata.distribution(match[1])
        except metadata.PackageNotFoundError:
            continue
        versions.add((_canonical(match[1]), distribution.version.split("+")[0]))
        waiting += [each for each in distribution.requires or () if "extra ==" not in each]
    return versions


def advisories(versions: set[Version], service: str) -> dict[Version, list[str]] | None:
    """The advisories of each version that has any, the accepted ones left out; None where nobody answered."""
    answers: dict[Version, list[str]] = {}
    # One file cannot name a package twice.
    for batch in _without_doubles({*versions, CANARY}):
        with tempfile.TemporaryDirectory() as folder:
            requirements = Path(folder) / "requirements.txt"
            requirements.write_text("".join(f"{name}=={version}\n" for name, version in sorted(batch)))
            command = [sys.executable, "-m", "pip_audit", "-r", str(requirements), "--no-deps", "--disable-pip"]
            command += ["--format", "json", "--progress-spinner", "off", "--vulnerability-service", service]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
                rows = json.loads(done.stdout)["dependencies"]
            except (subprocess.TimeoutExpired, ValueError, KeyError):
                return None
        for row in rows:
            names = [each["id"] for each in row.get("vulns", ()) if not {each["id"], *each["aliases"]} & ACCEPTED.keys()]
            if names:
                answers[(row["name"], row["version"])] = names
    return answers if answers.pop(CANARY, None) else None


def _canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def _without_doubles(versions: set[Version]) -> Iterator[set[Version]]:
    left = set(versions)
    while left:
        batch = dict(sorted(left))
        yield {*batch.items(), CANARY}
        left -= set(batch.items())


def main(arguments: list[str]) -> int:
    versions = oldest() | installed()
    for service in SERVICES:
        found = advisories(versions, service)
        if found is not None:
            break
    else:
        print("audit: NOT DONE: no vulnerability database answers (no network, or an index without one). This is no pass.")
        return 0 if "--if-reachable" in arguments else 2
    for (name, version), identifiers in sorted(found.items()):
        print(f"audit: {name} {version}: {', '.join(identifiers)}")
    print(f"audit: {len(versions)} versions asked for ({service}), {len(found)} with advisories")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
