"""Where another computer is, and which of its devices is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass

from SAMedCore.errors import InputError, quoted

DEVICES = ("auto", "cpu", "cuda", "mps")
"""And cuda:N, or one of another computer, as `Address` has it; whether it is there, torch says later."""

PREFIX = "ssh://"
ADDRESS = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?P<host>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/(?P<device>[a-z]+(?::[0-9]+)?)?)?(?:\?python=(?P<python>[A-Za-z0-9_/~][A-Za-z0-9_./~+-]*))?"
)
"""Nothing in it means anything to a shell or could be taken for an option of ssh."""


@dataclass(frozen=True)
class Address:
    """What ``ssh://[user@]host[:port][/device][?python=path]`` says.

    Attributes:
        host: a name, also one of the user's ssh config, or an IP address without brackets.
        user, port: None for what the ssh config says.
        device: of that computer: auto, cpu, cuda, cuda:1 or mps, which `check_device` checks.
        python: the interpreter there; None for the first of `remote.ssh.PYTHONS` that is there.
    """

    host: str
    user: str | None = None
    port: int | None = None
    device: str = "auto"
    python: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises InputError where it is no such address."""
        found = ADDRESS.fullmatch(text)
        if found is None or not 0 < int(found["port"] or 22) < 65536:
            raise InputError(
                f"{quoted(text)} is no address: write ssh://host or ssh://user@host:port; /cuda:1 after it names a GPU."
            )
        port = None if found["port"] is None else int(found["port"])
        return cls(found["host"].strip("[]"), found["user"], port, found["device"] or "auto", found["python"])

    @property
    def connection(self) -> Address:
        """Without the device: equal for addresses that one connection serves."""
        return Address(self.host, self.user, self.port, python=self.python)

    @property
    def login(self) -> str:
        """What a person types after "ssh" in a terminal."""
        port = "" if self.port is None else f"-p {self.port} "
        return port + (self.host if self.user is None else f"{self.user}@{self.host}")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = "" if self.user is None else f"{self.user}@"
        port = "" if self.port is None else f":{self.port}"
        device = "" if self.device == "auto" else f"/{self.device}"
        python = "" if self.python is None else f"?python={self.python}"
        return f"{PREFIX}{user}{host}{port}{device}{python}"


def is_elsewhere(device: str) -> bool:
    """Whether the device is one of another computer."""
    return device.startswith(PREFIX)


def check_device(name: str) -> None:
    """Raises InputError where it is the name of no device, of this computer or another one."""
    here = Address.parse(name).device if is_elsewhere(name) else name
    if here not in DEVICES and re.fullmatch(r"cuda:[0-9]{1,4}", here) is None:
        raise InputError(f"unknown device {quoted(here)}: choose from auto, cpu, cuda, cuda:N, mps or ssh://host.")
