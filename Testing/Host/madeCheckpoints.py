"""Checkpoints that say how they compare with what they started from, without any training."""

import json
import shutil
from pathlib import Path

from SAMedCore.checkpoint.catalogue import DEMO_FOLDER
from SAMedCore.checkpoint.folder import INFO_FILE
from SAMedCore.draw.before_after import before_after_picture
from SAMedCore.evaluate.before_after import PICTURE_FILE, BeforeAfter

COMPARISON = BeforeAfter(
    ("spleen", "liver", "pancreas"),
    (0.82, 0.9, 0.61),
    (0.91, 0.902, 0.55),
    "the checkpoint that it went on from",
    slices=12,
    scans=2,
    whole_scans=False,
)
"""The pancreas came out worse."""


def comparedCheckpoint(folder: Path, comparison: BeforeAfter | None = COMPARISON) -> Path:
    """The shipped checkpoint in `folder`, as if it had been trained from another; None: nothing was held out."""
    shutil.copytree(DEMO_FOLDER, folder, dirs_exist_ok=True)
    row = json.loads((folder / INFO_FILE).read_text())
    row["metrics"].pop("before_after", None)
    if comparison is not None:
        row["metrics"]["before_after"] = comparison.to_json()
        before_after_picture(comparison, folder / PICTURE_FILE)
    (folder / INFO_FILE).write_text(json.dumps(row))
    return folder
