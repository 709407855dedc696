"""`python segment_file.py COUNT CT OUT CHECKPOINT BASE`: what `samed segment` does with so many slices of the CT.

Prints its times and its peak memory as JSON.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "Core"))

from machine import PeakMemory, seconds
from networks import use_one_block
from settings import DEVICE, ON_GPU

from SAMedCore import load_model, read_volume, write_labelmap


def main(count: int, ct: Path, out: Path, checkpoint: Path, base: Path) -> None:
    if not ON_GPU:
        use_one_block()
    model = load_model(checkpoint, str(DEVICE), base_weights=base)
    peak, made, times = PeakMemory(), {}, {}

    def timed(stage, work, *arguments, **options):
        times[stage] = seconds(lambda: made.update({stage: work(*arguments, **options)}))
        return made[stage]

    volume = timed("read", read_volume, ct)
    labelmap = timed("segment", model.segment, volume, slices=range(count))
    timed("write", write_labelmap, labelmap, out)
    print(json.dumps({"stages_s": times, **peak.megabytes()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), *map(Path, sys.argv[2:]))
