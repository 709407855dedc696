"""Where things lie: SAMedCore, Slicer's Python, and the folder of fetched models. Imports nothing of SAMedCore at first."""

import os
import shutil
import sys
from pathlib import Path

import slicer


def coreFolder() -> Path:
    """The folder that holds the package SAMedCore: beside the module where it is installed, above it in a checkout.

    Raises:
        RuntimeError: it lies in neither.
    """
    moduleFolder = Path(__file__).resolve().parents[2]
    for folder in (moduleFolder, moduleFolder.parent):
        if (folder / "SAMedCore" / "__init__.py").is_file():
            return folder
    raise RuntimeError(f"SAMedCore is neither in {moduleFolder} nor beside it: install the extension again.")


def makeCoreImportable() -> None:
    """Put SAMedCore's folder first on sys.path: a checkout used as an additional module path does not have it there."""
    folder = str(coreFolder())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def forgetLibrary() -> None:
    """Have SAMedLib and SAMedCore read from their files by the next import; what runs keeps what it has."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("SAMedLib", "SAMedCore")]:
        del sys.modules[name]


def pythonSlicerExecutable() -> str:
    """Slicer's own Python, as the program to start.

    Raises:
        RuntimeError: there is none.
    """
    program = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    inHome = Path(getattr(slicer.app, "slicerHome", "")) / "bin" / program
    found = shutil.which(program) or (str(inHome) if inHome.is_file() else None)
    if found is None and Path(sys.executable).name.lower().startswith("python"):
        found = sys.executable
    if found is None:
        raise RuntimeError("PythonSlicer was not found: install Slicer again.")
    return found


def cacheFolder() -> Path | None:
    """Where fetched models and samples are kept; None while platformdirs, which knows it, is not installed."""
    from SAMedCore.checkpoint import fetch

    try:
        return fetch.cache_folder()
    except ModuleNotFoundError:
        return None


def baseModels() -> list:
    """The catalogue's base models (`SAMedCore.checkpoint.catalogue.BaseModel`), then others that the Hub gave."""
    from SAMedCore.checkpoint import catalogue

    ofCatalogue = {base.hub for base in catalogue.BASE_MODELS}
    fetched = catalogue.fetched_bases() if cacheFolder() is not None else []
    return [*catalogue.BASE_MODELS, *(base for base in fetched if base.hub not in ofCatalogue)]


def cachedFiles() -> list[Path]:
    """The fetched base models and samples that lie in the cache folder; nothing that a user saved there."""
    from SAMedCore.checkpoint.hub import RECORD
    from SAMedCore.demo import sample

    folder = cacheFolder()
    if folder is None:
        return []
    sampleFiles = [folder / "samples" / Path(member).name for member in sample.SAMPLE.members]
    bases = baseModels()
    records = [base.path.with_name(RECORD) for base in bases if base.hub is not None]
    return [path for path in [*(base.path for base in bases), *records, *sampleFiles] if path.is_file()]


def cacheMegabytes() -> float:
    """How much `clearCache` would free, in MB of 1,000,000 bytes."""
    return sum(path.stat().st_size for path in cachedFiles()) / 1e6


def clearCache() -> None:
    """Remove the fetched base models and samples; they are fetched again when they are next asked for."""
    for path in cachedFiles():
        path.unlink()
