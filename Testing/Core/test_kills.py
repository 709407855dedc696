"""Kill -9 at any moment loses nothing that was finished, and the next start leaves nothing of it.

KILLS=200 (`make kills`) spreads so many over the kinds of work and writes the table of Docs/faults.md to build/kills.md.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = 6
SEED = 16
HEADER = "| Killed while | kills | of which at a file operation | broken files | next starts that failed | files left |"


def table(rows: list[dict]) -> str:
    lines = [HEADER, "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        numbers = [row[name] for name in ("kills", "at_file_operations", "broken", "stuck", "left")]
        lines.append(f"| {row['work']} | {' | '.join(map(str, numbers))} |")
    total = [str(sum(row[name] for row in rows)) for name in ("kills", "at_file_operations", "broken", "stuck", "left")]
    return "\n".join([*lines, f"| **all** | {' | '.join(total)} |"]) + "\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes to kill are forked")
def test_whatever_is_killed_nothing_is_lost_and_nothing_stays(files_on_disk, tmp_path):
    kills = int(os.environ.get("KILLS", "12"))
    program = Path(__file__).with_name("kills.py")
    arguments = [files_on_disk.folder, tmp_path, kills, SEED, tmp_path / "rows.json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, program, *map(str, arguments)], env=environment, check=True)
    rows = json.loads((tmp_path / "rows.json").read_text())
    if "KILLS" in os.environ:
        result = Path("build/kills.md")
        result.parent.mkdir(exist_ok=True)
        result.write_text(table(rows))
    assert len(rows) == KINDS
    assert [problem for row in rows for problem in row["problems"]] == []
    assert sum(row["kills"] for row in rows) >= kills
