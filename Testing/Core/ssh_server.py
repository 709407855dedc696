"""A real sshd on 127.0.0.1 with keys and configuration of its own, and the far end that it leads to."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
PATIENCE_S = 60
FAR = Path(__file__).with_name("small_far.py")


@dataclass
class SshServer:
    """A running sshd.

    Attributes:
        folder: with its files; `cache` and `temporary` in it are the far end's.
        port: on 127.0.0.1.
        config: of the client; it knows the server as "far".
        python: the far end's interpreter.
    """

    folder: Path
    port: int
    config: Path
    python: Path
    process: subprocess.Popen

    @property
    def address(self) -> str:
        return f"ssh://far?python={self.python}"

    @property
    def command(self) -> str:
        """For the variable SAMED_SSH."""
        return f"ssh -F {self.config}"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def client_config(self, **changes: object) -> Path:
        """Another configuration of the client, with these settings in place of the right ones."""
        settings = {
            "HostName": "127.0.0.1",
            "Port": self.port,
            "User": getpass.getuser(),
            "IdentityFile": self.folder / "key",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "none",
            **changes,
        }
        path = self.folder / f"config-{len(list(self.folder.glob('config-*')))}"
        path.write_text("\n".join(["Host far", *(f"  {name} {value}" for name, value in settings.items())]) + "\n")
        return path

    def script(self, name: str, *lines: str) -> Path:
        """An executable shell script, to be taken for a Python there."""
        path = self.folder / name
        path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        path.chmod(0o755)
        return path

    def processes(self) -> list[str]:
        """What runs of the far ends and their workers."""
        listed = subprocess.run(
            ["ps", "-wweo", "pid=,stat=,args="], capture_output=True, check=True, encoding="utf-8", errors="replace"
        ).stdout
        rows = [line.split(None, 2) for line in listed.splitlines()]
        marks = (str(self.temporary), str(self.folder / FAR.name))
        return [f"{pid} {args}" for pid, state, args in rows if state[0] != "Z" and any(mark in args for mark in marks)]

    def pids(self, part: str) -> list[int]:
        """Of the processes whose command has this part."""
        return [int(line.split()[0]) for line in self.processes() if part in line]

    def wait_until_gone(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing of the far ends runs, nor lies anywhere but in the cache."""
        deadline = time.monotonic() + patience_s
        while self.processes() or any(self.temporary.glob("samed-*")):
            assert time.monotonic() < deadline, (self.processes(), list(self.temporary.glob("samed-*")))
            time.sleep(0.05)

    def __enter__(self) -> "SshServer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_server(folder: Path, *settings: str) -> SshServer:
    """An sshd with these further settings. Skips the test where there is none."""
    if SSHD is None or shutil.which("ssh") is None or os.name == "nt":
        pytest.skip("needs OpenSSH's server and client (Debian: openssh-server)")
    if os.geteuid() == 0:
        # As its service file has systemd do.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("cache", "temporary"):
        (folder / name).mkdir()
    for name in ("host_key", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    port = free_port()
    shutil.copy(folder / "key.pub", folder / "authorized_keys")
    host_key = (folder / "host_key.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key[0]} {host_key[1]}\n")
    lines = [
        *settings,
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host_key'}",
        f"AuthorizedKeysFile {folder / 'authorized_keys'}",
        f"PidFile {folder / 'pid'}",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "StrictModes no",
        f"SetEnv SAMED_CACHE={folder / 'cache'} TMPDIR={folder / 'temporary'} OMP_NUM_THREADS=2",
    ]
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    process = subprocess.Popen([SSHD, "-D", "-f", folder / "sshd_config", "-E", folder / "sshd.log"], stdin=subprocess.DEVNULL)
    server = SshServer(folder, port, folder, folder, process)
    server.config = server.client_config()
    # By a name of its own it is told from those of other tests.
    (folder / FAR.name).symlink_to(FAR)
    server.python = server.script("python", f'exec "{sys.executable}" "{folder / FAR.name}" "$@"')
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert process.poll() is None, (folder / "sshd.log").read_text()
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return server
        except OSError:
            time.sleep(0.05)
