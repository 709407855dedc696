"""Fetching from and pushing to the Hugging Face Hub, at the user's word and never otherwise.

The Hub is asked through `huggingface_hub`, in a process of its own (`hub_program`). A file is kept only if it has the SHA-256
that the Hub states, a checkpoint only if it can be read, a base model only if it is a Segment Anything; whole, or not at all.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from SAMedCore.checkpoint import fetch, hub
from SAMedCore.checkpoint.catalogue import fetch_base, find_base, row_on_hub
from SAMedCore.checkpoint.folder import ADAPTER_FILE, CARD_FILE, CONFIG_FILE, INFO_FILE, find_folder, read_info
from SAMedCore.checkpoint.hub import Fetched, HubName, find_fetched, hub_name, is_hub_name
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.files.atomic import check_room, replace_folder
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.work import SILENT, Work

CHECKPOINT_FILES = (CONFIG_FILE, ADAPTER_FILE, INFO_FILE, CARD_FILE)
"""All that leaves this computer with a checkpoint, and all that comes."""

FILE_NAME = re.compile(r"\w[\w .()+-]{0,200}")
"""In the repository's own folder: what has another one is never asked for, nor written here."""

LICENCE = re.compile(r"[A-Za-z0-9 ()+._-]{1,64}")
"""An SPDX identifier or the Hub's own word for one; it is shown, and anybody may have written it."""

LARGEST_CHECKPOINT = 2**30
"""Bytes of one file: the LoRA and decoder of vit_h for 255 labels, at the highest rank that is read, take a third of it."""

PREFERRED_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
WEIGHTS_ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
PROGRAM = Path(__file__).with_name("hub_program.py")
QUIETLY = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
OVER_HTTP = {"HF_HUB_DISABLE_XET": "1"}
"""Plain HTTP, whose half-done file tells how far it is, in every version of huggingface_hub; the Hub serves all files so."""


@dataclass(frozen=True)
class Listing:
    """What the Hub says of a repository: commit, licence ("" where none is stated), name -> (bytes, SHA-256 or None)."""

    commit: str
    licence: str
    files: Mapping[str, tuple[int, str | None]]


def fetch_model(name: str, work: Work = SILENT) -> Path:
    """A base model of the catalogue, or a base model or checkpoint of the Hub, fetched unless it is already here.

    Args:
        name: of the catalogue, or hf:owner/name[@revision].
        work: told of "fetching" in bytes, and asked whether to stop, several times a second.

    Returns:
        the base model's weights file, or the checkpoint's folder.

    Raises:
        InputError: there is no such model.
        SAMedError: it cannot be had, or is not the expected one; nothing is left.
        Cancelled: the user stopped it; nothing is left.
    """
    address = name if is_hub_name(name) else find_base(name).hub
    if address is None:
        return fetch_base(find_base(name), work)
    found = fetch_from_hub(hub_name(address), work)
    return found.folder if found.kind == "checkpoint" else found.weights


def fetch_from_hub(name: HubName, work: Work = SILENT) -> Fetched:
    """What the Hub has under this name: a checkpoint where it has a `samed.json`, else a base model. As `fetch_model`."""
    with fetch.fetching(name.folder, work) as folder:
        listing = _ask_for_listing(name, folder, work)
        known = find_fetched(name)
        if known is not None and known.commit == listing.commit and _is_whole(known):
            return known
        is_checkpoint = INFO_FILE in listing.files
        wanted = _files_of_checkpoint(name, listing) if is_checkpoint else [_weights_file(name, listing)]
        content = folder / "content"
        hashes = _download(name, listing, wanted, content, work)
        found = (_checkpoint if is_checkpoint else _base)(name, listing, hashes, content)

        def fill(partial: Path) -> None:
            for file in wanted:
                shutil.move(content / file, partial / file)
            found.write(partial)

        replace_folder(name.folder, fill)
    return found


def push_checkpoint(checkpoint: str | Path, name: HubName, private: bool = False, work: Work = SILENT) -> str:
    """Upload a checkpoint's files in one commit, with the user's own login; the repository is created if needed.

    Args:
        checkpoint: as in `find_folder`.
        name: where to; the revision is a branch, made where there is none.
        private: whether a new repository is to be private, else as the Hub has it by default; one that is there stays as it is.

    Returns:
        the address of the commit.

    Raises:
        InputError: the checkpoint is missing or cannot be read.
        SAMedError: there is no login, or the Hub refuses it or cannot be reached.
        Cancelled: the user stopped it.
    """
    folder = find_folder(checkpoint)
    read_info(folder)
    missing = [file for file in CHECKPOINT_FILES if not (folder / file).is_file()]
    if missing:
        raise InputError(f"{folder}: {', '.join(missing)} is missing: train or import the checkpoint again.")
    with fetch.fetching(name.folder, work) as scratch:
        answer = scratch / "answer.json"
        visibility = "private" if private else "default"
        arguments = ["upload", name.repository, name.revision, visibility, str(answer), str(folder), *CHECKPOINT_FILES]
        _run(name, arguments, scratch, work.stop_if_cancelled)
        return str(json.loads(answer.read_text(encoding="utf-8"))["address"])


def _ask_for_listing(name: HubName, scratch: Path, work: Work) -> Listing:
    answer = scratch / "answer.json"
    _run(name, ["list", name.repository, name.revision, str(answer)], scratch, lambda: work.step("fetching", 0, 0))
    row = json.loads(answer.read_text(encoding="utf-8"))
    if hub.COMMIT.fullmatch(str(row["commit"])) is None:
        raise SAMedError(f"{name}: the Hub does not say which commit it is: try again later.")
    files = {file: (facts["size"] or 0, facts["sha256"]) for file, facts in row["files"].items() if FILE_NAME.fullmatch(file)}
    return Listing(row["commit"], row["licence"] if LICENCE.fullmatch(row["licence"]) else "", files)


def _files_of_checkpoint(name: HubName, listing: Listing) -> list[str]:
    missing = [file for file in (CONFIG_FILE, ADAPTER_FILE) if file not in listing.files]
    if missing:
        raise SAMedError(f"{name}: no whole SAMed checkpoint, it has no {missing[0]}: choose another one.")
    wanted = [file for file in CHECKPOINT_FILES if file in listing.files]
    for file in wanted:
        if listing.files[file][0] > LARGEST_CHECKPOINT:
            raise SAMedError(
                f"{name}: {file} has {listing.files[file][0] / 2**30:.0f} GB, which no checkpoint has: choose another one."
            )
    return wanted


def _weights_file(name: HubName, listing: Listing) -> str:
    """The one file that holds a base model's weights, in the repository's own folder."""
    weights = [file for file in listing.files if file.endswith(WEIGHTS_ENDINGS)]
    preferred = [file for file in PREFERRED_WEIGHTS if file in weights]
    if preferred:
        return preferred[0]
    if len(weights) == 1:
        return weights[0]
    found = f"several weights files ({', '.join(sorted(weights)[:4])})" if weights else "no weights file"
    raise SAMedError(
        f"{name}: neither a SAMed checkpoint nor a base model, it has {found}: choose another one, or download a file by hand "
        f"and name its path."
    )


def _download(name: HubName, listing: Listing, files: list[str], folder: Path, work: Work) -> dict[str, str]:
    """The files in `folder`, and their SHA-256: the Hub's own, checked, or ours where it states none."""
    total = sum(listing.files[file][0] for file in files)
    folder.mkdir()

    def watch() -> None:
        work.step("fetching", min(_bytes_in(folder), total), total)

    _run(name, ["download", name.repository, listing.commit, str(folder), *files], folder.parent, watch)
    work.step("fetching", total, total)
    hashes = {}
    for file in files:
        stated = listing.files[file][1]
        if stated is not None:
            fetch.check(folder / file, stated, f"{file} of {name}")
        hashes[file] = stated or fetch.sha256_of(folder / file)
    return hashes


def _checkpoint(name: HubName, listing: Listing, hashes: dict[str, str], folder: Path) -> Fetched:
    info = read_info(folder)
    description = f"{info.description or 'a checkpoint'}; of the Hugging Face Hub, commit {listing.commit[:7]}"
    facts = {"base": info.base.name, "description": description, "licence": listing.licence}
    return Fetched(name.repository, name.revision, listing.commit, "checkpoint", hashes, **facts)


def _base(name: HubName, listing: Listing, hashes: dict[str, str], folder: Path) -> Fetched:
    from SAMedCore.model.weights import detect_architecture, read_state

    (file,) = hashes
    found = detect_architecture(read_state(folder / file))
    if found is None:
        kinds = ", ".join(ARCHITECTURES)
        raise SAMedError(f"{name}: {file} has not the weights of a Segment Anything that is known here ({kinds}).")
    row = row_on_hub(name.repository)
    architecture = found if row is None else row.architecture
    description = f"of the Hugging Face Hub, like {architecture}, commit {listing.commit[:7]}"
    facts = {"licence": listing.licence, "architecture": architecture, "description": description}
    return Fetched(name.repository, name.revision, listing.commit, "base", hashes, **facts)


def _is_whole(known: Fetched) -> bool:
    return all(fetch.sha256_of(known.folder / file) == sha256 for file, sha256 in known.files.items())


def _run(name: HubName, arguments: list[str], scratch: Path, watch: Callable[[], None]) -> None:
    """Raises SAMedError with the reason where the program fails."""
    environment = {**os.environ, **QUIETLY, **OVER_HTTP}
    environment[hub.OFFLINE] = os.environ.get(hub.USERS_OFFLINE, os.environ.get(hub.OFFLINE, ""))
    failed, said = fetch.run_program([str(PROGRAM), *arguments], scratch, watch, environment)
    if failed:
        check_room(name.folder, SAMedError(said))
        reason = (said.strip().splitlines() or ["the connection broke off"])[-1].removesuffix(".")
        raise SAMedError(f"{name}: {reason}.")


def _bytes_in(folder: Path) -> int:
    """Of all files, also those half done in huggingface_hub's hidden folder; they come and go meanwhile."""
    size = 0
    for file in folder.rglob("*"):
        try:
            size += file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
    return size
