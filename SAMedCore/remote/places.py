"""What a request names here, and where it lies there: voxels, checkpoints, weights and what comes out.

Voxels go into the far worker's private folder. Checkpoints and weights go into the cache folder there, once, under the SHA-256
of what they hold; base models of the catalogue and of the Hub to where they would have been fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from SAMedCore.address import Address, is_elsewhere
from SAMedCore.checkpoint import catalogue, hub
from SAMedCore.checkpoint.catalogue import BaseModel
from SAMedCore.checkpoint.fetch import sha256_of
from SAMedCore.checkpoint.folder import ADAPTER_FILE, CARD_FILE, CONFIG_FILE, INFO_FILE, check_output, find_folder, read_info
from SAMedCore.errors import BaseNotFetched, CheckpointNotFetched, InputError
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, PromptOptions
from SAMedCore.remote.sending import Sender
from SAMedCore.service.carried import LabelFile, VoxelFile
from SAMedCore.service.messages import (
    Complete,
    Describe,
    EncodeAhead,
    Finetune,
    Import,
    OpenVolume,
    Prompt,
    PromptVolume,
    Propagate,
    RankSlices,
    Request,
    Segment,
    SegmentCohort,
)

CHECKPOINT_FILES = (CONFIG_FILE, ADAPTER_FILE, INFO_FILE, CARD_FILE)
Voxels = TypeVar("Voxels", VoxelFile, LabelFile)
Based = TypeVar("Based", PromptOptions, CompleteOptions)


@dataclass
class Trip:
    """What one request has brought there.

    Attributes:
        watch: told bytes sent and all of each file; raises Cancelled.
        inputs: files there that are of no use once it is answered.
        names: path there -> path here, for sentences and results.
        out: the checkpoint folder that it makes, there and here; None where it makes none.
    """

    watch: Callable[[int, int], None]
    inputs: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    out: tuple[str, Path] | None = None

    def in_words_of_here(self, sentence: str) -> str:
        """A sentence from there with the paths of here."""
        for there, here in sorted(self.names.items(), key=lambda names: -len(names[0])):
            sentence = sentence.replace(there, here)
        return sentence


class Places:
    """Brings there what requests name.

    Args:
        folder, cache: of the far end: the worker's private one, and its cache.
        device: of the far end, where a request leaves that open.
    """

    def __init__(self, sender: Sender, folder: str, cache: str, device: str) -> None:
        self._sender = sender
        self._folder = folder
        self._cache = cache
        self._device = device
        self._there: set[str] = set()
        self._hashes: dict[tuple[Path, int, int], str] = {}
        self._count = 0

    def moved(self, request: Request, trip: Trip) -> Request:
        """The request as the far worker is to have it, once all that it names is there.

        Raises:
            InputError: something that it names is neither here nor there, or cannot be written here.
            SAMedError, OSError, ConnectionGone, Cancelled: as `Sender.send`.
        """
        match request:
            case OpenVolume():
                return replace(request, volume=self._voxels(request.volume, trip))
            case Segment() | RankSlices():
                return replace(request, model=self._model(request.model, trip))
            case EncodeAhead():
                return replace(request, options=self._based(request.options, trip))
            case Prompt():
                before = None if request.before is None else self._labels(request.before, trip)
                return replace(request, options=self._based(request.options, trip), before=before)
            case PromptVolume():
                answer = None if request.answer is None else self._labels(request.answer, trip)
                return replace(request, options=self._based(request.options, trip), answer=answer)
            case Propagate() | Complete():
                options = self._based(request.options, trip)  # type: ignore[type-var]
                return replace(request, options=options, labels=self._labels(request.labels, trip))  # type: ignore[arg-type]
            case Finetune():
                options_there = self._training(request.options, trip)
                scans = tuple(replace(scan, labels=self._labels(scan.labels, trip)) for scan in request.scans)
                return replace(request, scans=scans, options=options_there)
            case Import():
                check_output(Path(request.out))
                file, base = self._weights(Path(request.file), trip), self._base(request.base, trip)
                return replace(request, file=file, base=base, out=self._out(Path(request.out), self._new("imported"), trip))
            case SegmentCohort():
                raise InputError("a folder of scans is not sent to another computer: segment its scans one by one.")
            case Describe() if Path(request.checkpoint).is_file():
                return replace(request, checkpoint=self._weights(Path(request.checkpoint), trip))
        return request

    def _voxels(self, file: Voxels, trip: Trip) -> Voxels:
        path = f"{self._new('voxels')}.npy"
        trip.names[path] = file.path
        self._sender.send(Path(file.path), path, watch=trip.watch)
        return replace(file, path=path)

    def _labels(self, file: LabelFile, trip: Trip) -> LabelFile:
        """Of no use after the request, unlike a volume."""
        moved = self._voxels(file, trip)
        trip.inputs.append(moved.path)
        return moved

    def _new(self, name: str) -> str:
        self._count += 1
        return f"{self._folder}/{name}-from-here-{self._count}"

    def _model(self, options: ModelOptions, trip: Trip) -> ModelOptions:
        checkpoint, weights = self._checkpoint(options.checkpoint, options.weights, trip)
        return replace(options, checkpoint=checkpoint, base=weights, device=self._device_of(options))

    def _based(self, options: Based, trip: Trip) -> Based:
        return replace(options, base=self._base(options.base, trip), device=self._device_of(options))

    def _device_of(self, options: ModelOptions | PromptOptions | CompleteOptions | FinetuneOptions) -> str:
        """What is meant there: the request's own choice, else that of the connection."""
        device = Address.parse(options.device).device if is_elsewhere(options.device) else options.device
        return self._device if device == "auto" else device

    def _checkpoint(self, name: str, weights: Path | None, trip: Trip) -> tuple[str, str | None]:
        """The checkpoint's folder there and, where it was named here, its base model's weights file."""
        named = None if weights is None else self._weights(weights, trip)
        try:
            folder = find_folder(name)
        except CheckpointNotFetched:
            return name, named  # it may have been fetched there
        base = catalogue.known_base(read_info(folder).base.sha256)
        if weights is None and base is not None:
            self._known_base(base, trip)
        files = {file: self._sha256(folder / file) for file in CHECKPOINT_FILES if (folder / file).is_file()}
        digest = hashlib.sha256("".join(f"{name}\0{sha256}\n" for name, sha256 in files.items()).encode()).hexdigest()
        there = f"{self._cache}/remote/{digest}/checkpoint"
        trip.names[there] = str(folder)
        self._bring({f"{there}/{file}": (folder / file, sha256) for file, sha256 in files.items()}, trip)
        return there, named

    def _base(self, name_or_file: str, trip: Trip) -> str:
        """A base model's name, or its weights file there."""
        if Path(name_or_file).is_file():
            return self._weights(Path(name_or_file), trip)
        with contextlib.suppress(BaseNotFetched):  # of the Hub: it may have been fetched there
            self._known_base(catalogue.find_base(name_or_file), trip)
        return name_or_file

    def _known_base(self, base: BaseModel, trip: Trip) -> None:
        """Where it would have been fetched to, unless it is there; one of the Hub with what is known of it."""
        if base.hub is not None:
            record = hub.find_fetched(hub.hub_name(base.hub))
            if record is not None:
                there = f"{self._cache}/hub/{record.folder.name}"
                files = {f"{there}/{name}": (record.folder / name, sha256) for name, sha256 in record.files.items()}
                self._bring({**files, f"{there}/{hub.RECORD}": (record.folder / hub.RECORD, "")}, trip)
            return
        there = f"{self._cache}/models/{base.file_name}"
        if there not in self._there and self._sender.missing([there]) and not base.path.is_file():
            raise InputError(
                f'the weights of the base model "{base.name}" are neither here nor on {self._sender.host}: fetch them first.'
            )
        self._bring({there: (base.path, base.sha256)}, trip)

    def _weights(self, file: Path, trip: Trip) -> str:
        """A weights file of the user's, there under its own name, which a checkpoint made on it will have."""
        catalogue.check_weights_file(file)
        sha256 = self._sha256(file)
        there = f"{self._cache}/remote/{sha256}/{file.name}"
        trip.names[there] = str(file)
        self._bring({there: (file, sha256)}, trip)
        return there

    def _training(self, options: FinetuneOptions, trip: Trip) -> FinetuneOptions:
        out = Path(options.out)
        check_output(out)
        if out.exists() and not options.resume:
            raise InputError(f"{out} is there already: choose another place, remove it, or resume that training.")
        base, checkpoint = options.base, options.checkpoint
        if checkpoint is not None:
            known = any(base == each.name for each in catalogue.BASE_MODELS)
            checkpoint, base = self._checkpoint(checkpoint, None if base is None or known else Path(base), trip)
        elif base is not None:
            base = self._base(base, trip)
        # The same place for the same output: a run whose connection was lost is gone on with.
        identity = hashlib.sha256(f"{platform.node()}\0{out.absolute()}".encode()).hexdigest()[:16]
        there = self._out(out, f"{self._cache}/remote/trainings/{identity}", trip)
        gone = self._sender.missing([there, f"{there}.training/state.pt"])
        is_begun = f"{there}.training/state.pt" not in gone
        if not is_begun and there not in gone:
            self._sender.remove([there])
        resume = is_begun if options.resume is None else options.resume
        return replace(options, out=there, base=base, checkpoint=checkpoint, resume=resume, device=self._device_of(options))

    def _out(self, out: Path, parent: str, trip: Trip) -> str:
        there = f"{parent}/{out.name}"
        trip.names[there] = str(out)
        trip.out = there, out
        self._sender.ask("folder", path=parent)
        return there

    def _bring(self, files: Mapping[str, tuple[Path, str]], trip: Trip) -> None:
        """Those of the files, path there -> path here and SHA-256 ("" for none), that are not there yet."""
        unknown = [there for there in files if there not in self._there]
        for there in self._sender.missing(unknown):
            here, sha256 = files[there]
            self._sender.send(here, there, sha256, trip.watch)
        self._there.update(files)

    def _sha256(self, file: Path) -> str:
        """Read once as long as the file stays as it is."""
        state = file.stat()
        key = file.absolute(), state.st_mtime_ns, state.st_size
        if key not in self._hashes:
            self._hashes[key] = sha256_of(file)
        return self._hashes[key]
