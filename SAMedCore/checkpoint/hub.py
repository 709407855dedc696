"""Models of the Hugging Face Hub by name, `hf:owner/name[@revision]`, and what of them is in the cache folder.

Nothing here asks the network: `exchange` does, at the user's word only. Each model has a folder of its own under `hub` in the
cache, with its files and `fetched.json`, which says where they are from. Imports no torch and no huggingface_hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from SAMedCore.checkpoint import fetch
from SAMedCore.errors import InputError

OFFLINE = "HF_HUB_OFFLINE"
"""The variable by which huggingface_hub, and PEFT through it, asks nothing of the network."""

USERS_OFFLINE = "SAMED_HF_HUB_OFFLINE"
"""What the user had set it to, in a process that sets it for itself."""

PREFIX = "hf:"
RECORD = "fetched.json"
DEFAULT_REVISION = "main"
NAME_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
NAME = re.compile(rf"{PREFIX}(?P<owner>{NAME_PART})/(?P<name>{NAME_PART})(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]*))?")
LONGEST_PART = 96
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubName:
    """A model's repository on the Hub, and which state of it: a branch, a tag or a commit."""

    repository: str
    revision: str = DEFAULT_REVISION

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision != DEFAULT_REVISION else "")

    @property
    def folder(self) -> Path:
        """Of its files in the cache folder, there or not."""
        return hub_folder() / f"{self.repository.replace('/', '--')}@{quote(self.revision, safe='')}"


@dataclass(frozen=True)
class Fetched:
    """What was fetched from the Hub, as `fetched.json` beside it says.

    Attributes:
        repository, revision: as it was asked for.
        commit: which state of the repository it was, 40 hexadecimal digits.
        kind: "base" for a base model's weights file, "checkpoint" for the folder of a checkpoint.
        files: name -> SHA-256, the Hub's own where it states one, checked.
        licence: its identifier on the model's page, or "".
        architecture: of a base model, the name of its row in `model.architectures`; else "".
        base: of a checkpoint, the name of its base model; else "".
        description: one line for people.
    """

    repository: str
    revision: str
    commit: str
    kind: Literal["base", "checkpoint"]
    files: Mapping[str, str]
    licence: str = ""
    architecture: str = ""
    base: str = ""
    description: str = ""

    @property
    def name(self) -> HubName:
        return HubName(self.repository, self.revision)

    @property
    def folder(self) -> Path:
        return self.name.folder

    @property
    def weights(self) -> Path:
        """A base model's file."""
        return self.folder / next(iter(self.files))

    @property
    def sha256(self) -> str:
        """Of `weights`."""
        return next(iter(self.files.values()))

    def write(self, folder: Path) -> None:
        """Put `fetched.json` into `folder`."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def hub_folder() -> Path:
    """Where the folders of models from the Hub lie."""
    return fetch.cache_folder() / "hub"


def is_hub_name(name: str | Path) -> bool:
    """Whether it is meant as a name of the Hub, well written or not."""
    return str(name).startswith(PREFIX)


def hub_name(text: str) -> HubName:
    """The name in `text`.

    Raises:
        InputError: it is not written as hf:owner/name or hf:owner/name@revision.
    """
    found = NAME.fullmatch(text)
    parts = [] if found is None else [found["owner"], found["name"]]
    if found is None or any(len(part) > LONGEST_PART or "--" in part or ".." in part for part in parts) or ".." in text:
        raise InputError(f'"{text}" is no name of the Hugging Face Hub: write hf:owner/name or hf:owner/name@revision.')
    return HubName("/".join(parts), found["revision"] or DEFAULT_REVISION)


def fetched() -> list[Fetched]:
    """All models from the Hub that are in the cache folder, by name."""
    records = (_read(file) for file in sorted(hub_folder().glob(f"[!.]*/{RECORD}")))
    return [record for record in records if record is not None]


def find_fetched(name: HubName) -> Fetched | None:
    """What was fetched under this name, or from that very commit; None where nothing was."""
    record = _read(name.folder / RECORD)
    if record is None and COMMIT.fullmatch(name.revision):
        same = (each for each in fetched() if (each.repository, each.commit) == (name.repository, name.revision))
        record = next(same, None)
    return record


def _read(file: Path) -> Fetched | None:
    """A record whose files are all there, or None: what a person took apart by hand counts as not fetched."""
    try:
        record = Fetched(**json.loads(file.read_text(encoding="utf-8")))
        return record if all((file.parent / name).is_file() for name in record.files) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
