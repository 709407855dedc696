"""How much of SAMedCore the tests run: `python Tools/covered.py record` after a measurement, `check` in `make check`.

The record is committed, so that a check takes no time and needs no measurement of its own. It cannot be passed by absence: a
file that was not measured counts as not covered at all, and one that has changed since is named.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "Testing" / "coverage.json"
FLOOR = 0.90
"""Of statements and branches together."""

LEAST = 8
"""So many of the least covered files are listed."""


def sources() -> dict[str, str]:
    """The text of each file of SAMedCore, by its path from the root."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "SAMedCore").rglob("*.py"))
    }


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def record(report: dict[str, Any]) -> dict[str, Any]:
    """What is kept of coverage's own JSON report: for each file its digest, and how many of how many are covered."""
    files = {}
    for name, text in sources().items():
        if (measured := report["files"].get(name)) is not None:
            totals = measured["summary"]
            whole = totals["num_statements"] + totals["num_branches"]
            files[name] = [digest(text), totals["covered_lines"] + totals["covered_branches"], whole]
    return {"measured": date.today().isoformat(), "files": files}


def covered(kept: dict[str, Any]) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """How many of how many are covered in each file that there is now, and the files that are not as they were measured."""
    counts, changed = {}, []
    for name, text in sources().items():
        if (known := kept["files"].get(name)) is None:
            counts[name] = (0, sum(isinstance(node, ast.stmt) for node in ast.walk(ast.parse(text))))
        else:
            counts[name] = (known[1], known[2])
        if known is None or known[0] != digest(text):
            changed.append(name)
    return counts, changed


def check() -> int:
    """Print the total and the least covered files; 1 below the floor."""
    if not RECORD.is_file():
        print("coverage: NOT MEASURED: run `make coverage`")
        return 1
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    counts, changed = covered(kept)
    share = sum(part for part, _ in counts.values()) / sum(whole for _, whole in counts.values())
    print(f"coverage: {share:.1%} of SAMedCore's statements and branches, measured on {kept['measured']} (floor {FLOOR:.0%})")
    least = sorted((part / whole, name) for name, (part, whole) in counts.items() if whole)[:LEAST]
    print("  least: " + ", ".join(f"{name.removeprefix('SAMedCore/')} {part:.0%}" for part, name in least))
    if changed:
        print(f"  changed since, or new: {len(changed)} of {len(counts)} files; `make coverage` measures again")
    return 0 if share >= FLOOR else 1


def main(action: str, report: str = "") -> int:
    if action == "check":
        return check()
    RECORD.write_text(
        json.dumps(record(json.loads(Path(report).read_text(encoding="utf-8"))), indent=1) + "\n", encoding="utf-8"
    )
    return check()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
