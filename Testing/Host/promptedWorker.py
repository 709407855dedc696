"""A worker without a network: a box becomes the rectangle, a point a square around it, and both are told as they come."""

import json
from pathlib import Path

import launchers

BODY = """
from pathlib import Path
import numpy as np
gate, heard = Path({gate!r}), Path({heard!r})
SQUARE_MM = 8

def index(volume, point):
    return np.linalg.solve(np.array(volume["ijk_to_lps"]), [*point, 1.0])[:3]

def axis(volume):
    return int(np.argmax(np.abs(np.array(volume["ijk_to_lps"])[2, :3])))

def grid(volume):
    return np.load(volume["path"], mmap_mode="r").shape

def lowest(volume, along):
    upwards = np.array(volume["ijk_to_lps"])[2, axis(volume)] > 0
    return along if upwards else grid(volume)[2 - axis(volume)] - 1 - along

def fill(labels, volume, first, last):
    low, high = np.minimum(first, last), np.maximum(first, last)
    low, high = np.rint(low).astype(int), np.rint(high).astype(int)
    part = tuple(slice(max(a, 0), b + 1) for a, b in zip(low[::-1], high[::-1]))
    labels[part] = 1

def prompted(request, number):
    volume, prompt = volumes[request["volume"]], request["prompt"]
    labels = np.zeros(grid(volume), np.uint8)
    chosen, spacing = axis(volume), np.linalg.norm(np.array(volume["ijk_to_lps"])[:3, :3], axis=0)
    before, points = request["before"], [*(prompt["box"] or ()), *prompt["points_in"], *prompt["points_out"]]
    along = int(round(index(volume, points[0])[chosen]))
    part = [slice(None)] * 3
    part[2 - chosen] = slice(along, along + 1)
    if before is not None:
        labels[tuple(part)] = np.load(before["path"])
    if prompt["box"]:
        fill(labels, volume, *(index(volume, corner) for corner in prompt["box"]))
    for point in prompt["points_in"]:
        half = SQUARE_MM / 2 / spacing
        half[chosen] = 0
        fill(labels, volume, index(volume, point) - half, index(volume, point) + half)
    for point in prompt["points_out"]:
        i, j, k = np.rint(index(volume, point)).astype(int)
        labels[k, j, i] = 0
    matrix = np.array(volume["ijk_to_lps"])
    matrix[:3, 3] += matrix[:3, chosen] * along
    path = folder + "/labelmap-%d.npy" % number
    np.save(path, labels[tuple(part)])
    told = {{"path": path, "ijk_to_lps": matrix.tolist(), "labels": LABELS}}
    return {{"labelmap": told, "slice": lowest(volume, along), "quality": 0.9}}

def redrawn(structure, k):
    kept, changed = structure["slices"], structure["changed"]
    ends = max((each for each in kept if each < k), default=None), min((each for each in kept if each > k), default=None)
    return k not in kept and (changed is None or not set(ends).isdisjoint(changed))

def carried(request, number):
    volume, kept = volumes[request["volume"]], request["labels"]
    labels = np.zeros(grid(volume), np.uint8)
    count, chosen = grid(volume)[2 - axis(volume)], 2 - axis(volume)
    given = np.load(kept["path"])
    structures = []
    for structure in request["structures"]:
        present = (given == structure["label"]).any(axis=chosen, keepdims=True)
        first = np.rint(np.linalg.solve(np.array(volume["ijk_to_lps"]), np.array(kept["ijk_to_lps"])[:, 3])[:3]).astype(int)
        low, high = structure["limits"]["slices"] or (0, count - 1)
        drawn = [k for k in range(low, high + 1) if redrawn(structure, k)]
        for k in drawn:
            part = [slice(None)] * 3
            along = lowest(volume, k)
            part[chosen] = slice(along, along + 1)
            labels[tuple(part)][np.broadcast_to(present, labels[tuple(part)].shape)] = structure["label"]
        believed = [k for k in drawn if k in structure["rough"]]
        sure = [round(0.5 + 0.01 * k, 2) for k in drawn]
        structures.append({{"label": structure["label"], "drawn": drawn, "confidence": sure, "believed": believed}})
    path = folder + "/labelmap-%d.npy" % number
    np.save(path, labels)
    told = {{"path": path, "ijk_to_lps": volume["ijk_to_lps"], "labels": kept["labels"]}}
    return {{"labelmap": told, "structures": structures}}

LABELS = [{{"value": 1, "name": "structure", "rgb": [200, 0, 0], "type": None, "modifier": None, "category": None}}]
ANSWERS = {{"Prompt": prompted, "Propagate": carried, "Fetch": lambda *_: {{"path": ""}}, "EncodeAhead": lambda *_: {{}}}}
cancelled = set()
for request in requests():
    number = request["number"]
    with heard.open("a") as file:
        file.write(json.dumps(request) + "\\n")
    if request["type"] == "Shutdown":
        sys.exit()
    if request["type"] == "Cancel":
        say("Error", number, message="Cancelled.", kind="cancelled")
        continue
    if request["type"] not in ANSWERS:
        continue
    if request["type"] != "EncodeAhead" and not gate.exists():
        say("Progress", number, phase="waiting", done=0, total=0)
        while not gate.exists():
            time.sleep(0.01)
    say("Result", number, values=ANSWERS[request["type"]](request, number))
"""


class PromptedWorker:
    """Attributes:
    program: takes the place of PythonSlicer.
    """

    def __init__(self, folder: Path) -> None:
        self._gate, self._heard = folder / "gate", folder / "heard.txt"
        body = BODY.format(gate=str(self._gate), heard=str(self._heard))
        self.program = launchers.write(folder / "prompted", launchers.SCRIPTED, body=body)
        self.answer()

    def heard(self, kind: str) -> list[dict]:
        """The requests of this kind so far."""
        lines = self._heard.read_text().splitlines() if self._heard.exists() else []
        return [request for request in map(json.loads, lines) if request["type"] == kind]

    def hold(self) -> None:
        """From now on answers are held back."""
        self._gate.unlink()

    def answer(self) -> None:
        """From now on without delay."""
        self._gate.touch()
