"""One loaded model, and one scan after the other from its file to its segmentation, while others are read and written."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from SAMedCore.cohort.faults import may_pass, sentence_of, storage_error
from SAMedCore.cohort.scans import Request, Scan, ScanRow
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.options import ModelOptions
from SAMedCore.runtime import prepare_process
from SAMedCore.work import SILENT, Event, Notice, Work

if TYPE_CHECKING:
    from SAMedCore.image.segmentation import Segmentation
    from SAMedCore.image.volume import Volume
    from SAMedCore.segment import Segmenter

AT_A_TIME = 3
"""Scans that one model has in memory: one that is read, one in the network, one that is written."""

Load = Callable[[ModelOptions], "Segmenter"]


class Scanner:
    """Does scans, each in a thread of the caller's, the network one at a time; made and called on whatever computer.

    The network has a thread of its own: OpenMP keeps a team of threads for each one that asks it to compute, and takes twice
    as long with several teams on the same cores.

    Args:
        request: what is done with each.
        threads: of torch on a CPU; None leaves it as it is.
    """

    def __init__(self, request: Request, threads: int | None = None) -> None:
        self._request = request
        self._threads = threads
        self._model: Segmenter | None = None
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")

    def load(self, load: Load | None = None) -> None:
        """Load the model, with `load_segmenter` unless told otherwise; before the first scan.

        Raises:
            InputError: the checkpoint, its base, the device or the output folder is not to be had here.
        """
        prepare_process()
        if not Path(self._request.folder).is_dir():
            folder = Path(self._request.folder).parent
            raise InputError(
                f'the computer "{platform.node()}" does not see the folder "{folder}": scans, segmentations and checkpoint '
                "have to lie where every computer of the cluster finds them under the same path."
            )
        self._model = self._network.submit(self._loaded, load).result()

    def do(self, scan: Scan, work: Work = SILENT) -> ScanRow:
        """Segment one scan and write its segmentation and thumbnail; what fails is said in the row.

        Args:
            work: asked between the network's layers whether to stop; told nothing.

        Raises:
            Cancelled: the user stopped the work; nothing of this scan is left.
        """
        assert self._model is not None, "load() comes first"
        seconds: dict[str, float] = {}
        notes: list[str] = []

        def note(event: Event) -> None:
            if isinstance(event, Notice) and event.message not in notes:
                notes.append(event.message)

        try:
            with _timed(seconds, "read"):
                volume = self._read(scan)
            segmentation = self._network.submit(self._segmented, volume, Work(note, work.is_cancelled), seconds).result()
            work.stop_if_cancelled()
            with _timed(seconds, "write"):
                self._write(scan, volume, segmentation)
        except Cancelled:
            raise
        except Exception as error:
            if may_pass(error):
                self._free_memory()
            return ScanRow(scan, sentence_of(error), may_pass(error), seconds=seconds, worker=self._name)
        return ScanRow(
            scan,
            volumes_ml={label.name: ml for label, ml in segmentation.labelmap.volumes_ml().items()},
            doubt=dict(segmentation.label_doubt or {}),
            shape=tuple(reversed(volume.voxels.shape)),
            spacing_mm=volume.grid.spacing_mm,
            seconds=seconds,
            worker=self._name,
            notes=tuple(notes),
        )

    def _loaded(self, load: Load | None) -> Segmenter:
        if load is not None:  # perhaps on another computer: torch is not for this process to load
            return load(self._request.model)
        import torch

        from SAMedCore.segment import load_segmenter

        if self._threads is not None:
            torch.set_num_threads(self._threads)
        return load_segmenter(self._request.model)

    def _segmented(self, volume: Volume, work: Work, seconds: dict[str, float]) -> Segmentation:
        assert self._model is not None
        work.stop_if_cancelled()
        with _timed(seconds, "segment"):
            return self._model.segment_with_probabilities(volume, self._request.options, work)

    def _read(self, scan: Scan) -> Volume:
        from SAMedCore.files.read import read_volume
        from SAMedCore.files.write import check_labelmap_output

        try:
            check_labelmap_output(scan.output, scan.image)
            return read_volume(scan.image)
        except InputError as refusal:
            # Readers say of a scan that cannot be read that it is none.
            failed = storage_error(Path(scan.image))
            if failed is not None:
                raise failed from refusal
            raise

    def _write(self, scan: Scan, volume: Volume, segmentation: Segmentation) -> None:
        from SAMedCore.draw.thumbnail import write_thumbnail
        from SAMedCore.files.write import write_labelmap

        unfinished = self._request.unfinished(scan)
        write_labelmap(segmentation.labelmap, unfinished, scan.image)
        write_thumbnail(volume, segmentation.labelmap, self._request.thumbnail(scan.name))
        unfinished.replace(scan.output)

    def _free_memory(self) -> None:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def _name(self) -> str:
        assert self._model is not None
        return f"{self._model.device} on {platform.node()}"


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        seconds[what] = round(time.monotonic() - began, 3)
