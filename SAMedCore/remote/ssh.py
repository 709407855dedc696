"""The ssh process, with the user's own configuration, keys and agent; and in one sentence what is wrong when it complains."""

from __future__ import annotations

import collections
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from SAMedCore import __version__
from SAMedCore.address import Address
from SAMedCore.errors import SAMedError
from SAMedCore.remote.channel import Channel
from SAMedCore.remote.frames import FRAMES_VERSION, BrokenStream, Frame, Greeting
from SAMedCore.service.events import PROTOCOL

SSH_VARIABLE = "SAMED_SSH"
"""The environment variable with another command than "ssh", also with options: ``ssh -F file``."""

OPTIONS = {
    "BatchMode": "yes",
    "ClearAllForwardings": "yes",
    "ConnectTimeout": "15",
    "ControlMaster": "no",
    "LogLevel": "INFO",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "ServerAliveCountMax": "3",
    "ServerAliveInterval": "5",
}
"""Nobody can answer a prompt; a connection that a person has opened before may be shared; host keys are the user's config's."""

PYTHONS = ("$HOME/.samed/bin/python", "python3")
"""The first of these that is there is the far end's interpreter, unless the address names one."""

LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
INSTALL = "samed remote install"
"""The command that installs there what is needed."""

NO_PYTHON = "SAMed finds no Python here"
KEPT_LINES = 200
LEAVE_S = 2.0
"""So long ssh has to leave by itself."""


class CannotConnect(SAMedError):
    """There is no connection to the other computer, or no SAMed there; the sentence says what to do."""


def ssh_command(address: Address, script: str) -> list[str]:
    """The command that runs a shell script there.

    Raises:
        CannotConnect: the variable SAMED_SSH is no command.
    """
    try:
        program = shlex.split(os.environ.get(SSH_VARIABLE) or "ssh", posix=os.name != "nt")
    except ValueError as error:
        raise CannotConnect(f"The variable {SSH_VARIABLE} is no command ({error}): write for example ssh -F FILE.") from error
    options = [part for name, value in OPTIONS.items() for part in ("-o", f"{name}={value}")]
    login = [*([] if address.port is None else ["-p", str(address.port)]), *([] if not address.user else ["-l", address.user])]
    # Whatever shell the login has, a plain one reads the script.
    return [*program, "-T", "-a", "-x", *options, *login, "--", address.host, f"exec sh -c {shlex.quote(script)}"]


def far_script(address: Address) -> str:
    """The shell script that becomes the far end."""
    pythons = PYTHONS if address.python is None else (address.python.replace("~/", "$HOME/", 1),)
    choices = " ".join(f'"{python}"' for python in pythons)
    run = 'if command -v "$p" >/dev/null 2>&1; then exec "$p" -m SAMedCore.remote.far; fi'
    return f'for p in {choices}; do {run}; done; echo "{NO_PYTHON}" >&2; exit 127'


class Connection:
    """One ssh process, from its start on.

    Attributes:
        channel: to the far end.
        facts: what it is, as `far.main` greets with it; empty before.

    Raises:
        CannotConnect: there is no ssh here.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.facts: dict[str, Any] = {}
        self._said: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self._first = b""
        environment = without_slicers_libraries(os.environ)
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}  # type: ignore[attr-defined]
        command = ssh_command(address, far_script(address))
        try:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(command, bufsize=0, env=environment, **pipes, **flags)  # type: ignore[call-overload]
        except OSError as error:
            raise CannotConnect(f'"{command[0]}" cannot be started ({error.strerror}): install OpenSSH\'s client.') from error
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.channel = Channel(self.process.stdout.fileno(), self.process.stdin.fileno())
        self._log = threading.Thread(target=self._pass_on, name="ssh's log", daemon=True)
        self._log.start()

    def greet(self) -> dict[str, Any]:
        """Wait for the far end; returns `facts`.

        Raises:
            CannotConnect: it does not come, or is of another version, or something is missing there.
        """
        greeting = Greeting()
        try:
            for piece in self.channel.pieces():
                self._first = greeting.feed(piece)
                if greeting.facts is not None:
                    break
        except BrokenStream as error:
            raise CannotConnect(f"{self.address.host} answers with something else than SAMed: see the log.") from error
        finally:
            if greeting.chatter:
                self._note(greeting.chatter.decode("utf-8", "replace"))
        if greeting.facts is None:
            raise CannotConnect(self.complaint())
        self.facts = greeting.facts
        self._check()
        return self.facts

    def frames(self) -> Iterator[Frame]:
        """What the far end sends after its greeting. Raises BrokenStream."""
        return self.channel.frames(self._first)

    def complaint(self) -> str:
        """Why ssh, or what it started, has gone, in a sentence."""
        self._leave()
        return sentence(self.address, "\n".join(self._said))

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self._leave()

    def _leave(self) -> None:
        try:
            self.process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.join(LEAVE_S)

    def _check(self) -> None:
        host, facts, install = self.address.host, self.facts, _install(self.address)
        versions = facts.get("frames"), facts.get("protocol")
        if versions != (FRAMES_VERSION, PROTOCOL):
            theirs = f"{facts.get('version')} (protocol {facts.get('protocol')})"
            raise CannotConnect(
                f"SAMed {theirs} on {host} does not fit SAMed {__version__} (protocol {PROTOCOL}) here: {install}."
            )
        if facts.get("missing"):
            missing = ", ".join(map(str, facts["missing"]))
            raise CannotConnect(f"Python {facts.get('python')} on {host} lacks {missing}: {install}.")

    def _pass_on(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._note(line.decode("utf-8", "replace"))

    def _note(self, text: str) -> None:
        """In this process's own log, and for `complaint`."""
        for line in text.splitlines():
            self._said.append(line)
        os.write(2, text.encode("utf-8", "replace"))


def without_slicers_libraries(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without what Slicer's launcher puts first: with its libraries the system's ssh may not run."""
    home, cleaned = environment.get("SLICER_HOME"), dict(environment)
    for name in LIBRARY_PATHS if home else ():
        others = [path for path in environment.get(name, "").split(os.pathsep) if path and not _is_below(path, str(home))]
        cleaned.pop(name, None)
        if others:
            cleaned[name] = os.pathsep.join(others)
    return cleaned


def _is_below(path: str, folder: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())


def _install(address: Address) -> str:
    return f'"{INSTALL} {Address(address.host, address.user, address.port)}" installs what is needed'


def sentence(address: Address, said: str) -> str:
    """What ssh or the shell there said, in one sentence for the user."""
    host, login, install = address.host, address.login, _install(address)
    known = {
        "REMOTE HOST IDENTIFICATION HAS CHANGED": f"The host key of {host} is not the known one, so that somebody else may "
        f"answer in its place: ask who runs it, and only if the key was renewed forget the old one with ssh-keygen -R.",
        "Host key verification failed": f'{host} is not known to ssh yet: connect once by "ssh {login}" in a terminal, compare '
        "its fingerprint, then try again.",
        "Permission denied": f'{host} refuses the login: set up a key once by "ssh-copy-id {login}" in a terminal; a key with '
        "a passphrase has to be in the agent (ssh-add).",
        "Too many authentication failures": f"{host} refuses the login after too many keys: name the right one by IdentityFile "
        "and IdentitiesOnly in ~/.ssh/config.",
        "Could not resolve hostname": f'There is no computer "{host}": check the name, and ~/.ssh/config if it is one of it.',
        "Connection refused": f"{host} takes no connection: check the port, and whether an SSH server runs there.",
        "Connection timed out|No route to host|Network is unreachable|Operation timed out": f"{host} cannot be reached: check "
        "the network and the VPN, and whether it is switched on.",
        "Bad owner or permissions|Bad configuration option|terminating, .* bad configuration": "ssh refuses its own "
        f'configuration: "ssh {login}" in a terminal says where.',
        NO_PYTHON: f"There is no Python on {host}"
        + (f" at {address.python}" if address.python else "")
        + ": install Python 3.11 "
        f"or newer there; then {install}.",
        r"No module named '?SAMedCore\b'?(?!\.)": f"SAMed is not installed for the Python on {host}: {install}.",
        r"No module named '?SAMedCore\.|SyntaxError": f"SAMed on {host} is too old, or its Python is: {install}.",
    }
    for pattern, words in known.items():
        if re.search(pattern, said):
            return words
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "it left no message")
    return f"The connection to {host} could not be made ({last.strip()}): see the log."
