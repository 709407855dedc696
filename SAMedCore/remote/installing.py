"""SAMed on another computer: a Python environment of its own there, with this very version and what it needs."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

import SAMedCore
from SAMedCore.address import Address
from SAMedCore.errors import SAMedError
from SAMedCore.remote.far import PACKAGES
from SAMedCore.remote.ssh import CannotConnect, sentence, ssh_command

ENVIRONMENT = "$HOME/.samed"
OLDEST_PYTHON = (3, 11)
TOO_OLD = "SAMed finds no Python 3.11 here"
SOURCE = Path(SAMedCore.__file__).parent
LAST_LINES = 200


def install(address: Address, say: Callable[[str], None]) -> None:
    """Make ``~/.samed`` there, or bring it up to date; with an interpreter in the address, use that one's packages instead.

    Only what is asked of the package index there comes from elsewhere: SAMed itself travels over the connection.

    Args:
        say: told each line that pip writes.

    Raises:
        CannotConnect: there is no connection, or no Python 3.11 there.
        SAMedError: pip failed.
    """
    command = ssh_command(address, _script(address))
    try:
        # ssh and pip both complain on stderr
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        raise CannotConnect(f'"{command[0]}" cannot be started ({error.strerror}): install OpenSSH\'s client.') from error
    assert process.stdin is not None
    assert process.stdout is not None
    threading.Thread(target=_send, args=(process.stdin,), daemon=True).start()
    said: list[str] = []
    for line in process.stdout:
        said.append(line.decode("utf-8", "replace").rstrip())
        say(said[-1])
    if process.wait() == 0:
        return
    text = "\n".join(said[-LAST_LINES:])
    if process.returncode == 255:
        raise CannotConnect(sentence(address, text))
    if TOO_OLD in text:
        raise CannotConnect(f"There is no Python 3.11 or newer on {address.host}: install one, or name it in the address.")
    last = next((line for line in reversed(said) if line.strip()), "no message")
    raise SAMedError(f"What SAMed needs could not be installed on {address.host} ({last}): see the lines above.")


def _script(address: Address) -> str:
    """The package comes on stdin, as a tar archive; it is put in place when all that it needs is there."""
    enough = f"import sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    if address.python is None:
        python = f"{ENVIRONMENT}/bin/python"
        make = f"""
if [ ! -x "{python}" ]; then
  found=
  for p in python3 python3.13 python3.12 python3.11; do
    if [ -z "$found" ] && command -v $p >/dev/null 2>&1 && $p -c {shlex.quote(enough)}; then found=$p; fi
  done
  if [ -z "$found" ]; then echo "{TOO_OLD}"; exit 4; fi
  $found -m venv "{ENVIRONMENT}"
fi"""
    else:
        python = address.python.replace("~/", "$HOME/", 1)
        make = f'"{python}" -c {shlex.quote(enough)} || {{ echo "{TOO_OLD}"; exit 4; }}'
    needed = " ".join(shlex.quote(f"{name}>={version}") for name, version in PACKAGES.items())
    where = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    return f"""set -e
{make}
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
tar -xzf - -C "$new"
"{python}" -m pip install --disable-pip-version-check {needed}
place=$("{python}" -c {shlex.quote(where)})
rm -rf "$place/SAMedCore"
cp -R "$new/SAMedCore" "$place/SAMedCore"
"""


def _send(sink: IO[bytes]) -> None:
    # what is wrong at the other end, that one says
    with contextlib.suppress(OSError), sink, tarfile.open(fileobj=sink, mode="w|gz") as archive:
        archive.add(SOURCE, "SAMedCore", filter=_shipped)


def _shipped(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if "__pycache__" in member.name else member
