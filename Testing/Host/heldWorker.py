"""A worker that holds back its answers until a test opens the gate; every answer is a result, also to a cancelled request."""

import json
from pathlib import Path

import launchers
from SAMedCore.image.labels import SYNAPSE_ORGANS

BODY = """
from pathlib import Path
import numpy as np
gate, heard = Path({gate!r}), Path({heard!r})

def drawn(request, number):
    volume = volumes[request["volume"]]
    path = folder + "/labelmap-%d.npy" % number
    labels = np.zeros(np.load(volume["path"], mmap_mode="r").shape, np.uint8)
    labels[:, 20:40, 20:60] = 5
    np.save(path, labels)
    return {{"path": path, "ijk_to_lps": volume["ijk_to_lps"], "labels": {labels!r}}}

ANSWERS = {{
    "Fetch": lambda request, number: {{"path": ""}},
    "Import": lambda request, number: {{"checkpoint": {checkpoint!r}}},
    "Segment": lambda request, number: {{"labelmap": drawn(request, number)}},
    "RankSlices": lambda request, number: {{"slices": [{{"slice": 2, "uncertainty": 0.5}}]}},
    "Finetune": lambda request, number: {{"checkpoint": {checkpoint!r}, "validation_dice": 0.75, "cancelled": False,
                                          "comparison": None}},
    "Complete": lambda request, number: {{
        "labelmap": drawn(request, number), "completed": [1], "annotated": [0, 2, 3],
        "summary": "One slice.", "method": "copy", "estimates": {{}},
    }},
}}
for request in requests():
    if request["type"] == "Shutdown":
        sys.exit()
    if request["type"] not in ANSWERS:
        continue
    with heard.open("a") as file:
        file.write(json.dumps(request) + "\\n")
    while not gate.exists():
        time.sleep(0.01)
    say("Result", request["number"], values=ANSWERS[request["type"]](request, request["number"]))
"""


class HeldWorker:
    """Attributes:
    program: takes the place of PythonSlicer.
    """

    def __init__(self, folder: Path, checkpoint: Path) -> None:
        """The program goes into `folder`; `checkpoint` is what importing and fine-tuning give."""
        self._gate, self._heard = folder / "gate", folder / "heard.txt"
        values = {"gate": str(self._gate), "heard": str(self._heard), "checkpoint": str(checkpoint)}
        body = BODY.format(**values, labels=SYNAPSE_ORGANS.subset(["spleen", "liver"]).to_json())
        self.program = launchers.write(folder / "held", launchers.SCRIPTED, body=body)

    def heard(self) -> list[str]:
        """The kinds of the requests so far."""
        return [request["type"] for request in self._requests()]

    def options(self, kind: str) -> dict:
        """Those of the last request of this kind."""
        return next(request["options"] for request in reversed(self._requests()) if request["type"] == kind)

    def _requests(self) -> list[dict]:
        return [json.loads(line) for line in self._heard.read_text().splitlines()] if self._heard.exists() else []

    def answer(self) -> None:
        """From now on without delay."""
        self._gate.touch()
