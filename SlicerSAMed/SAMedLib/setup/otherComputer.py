"""The other computer whose devices are offered: the user's setting, not the scene's."""

import json
from dataclasses import replace

import slicer
from slicer.i18n import tr as _

from SAMedCore.address import PREFIX, Address
from SAMedCore.errors import InputError

ADDRESS = "SAMed/OtherComputer/Address"
DEVICES = "SAMed/OtherComputer/Devices"


def addressOf(text: str) -> Address:
    """The address that a person wrote, with or without "ssh://", and without its device.

    Raises:
        InputError: as `Address.parse`.
    """
    text = text.strip()
    return Address.parse(text if text.startswith(PREFIX) else PREFIX + text).connection


def keptAddress() -> Address | None:
    """The one that is set; None where none is, or nothing that could be one."""
    kept = slicer.app.userSettings().value(ADDRESS)
    try:
        return addressOf(kept) if kept else None
    except InputError:
        return None


def keepAddress(address: Address | None) -> None:
    """Set it; what was found on another one is forgotten."""
    if address != keptAddress():
        settings = slicer.app.userSettings()
        settings.setValue(ADDRESS, "" if address is None else str(address))
        settings.setValue(DEVICES, "")


def keepDevices(devices: list[tuple[str, str]]) -> None:
    """(name, description) of what was found there, the best first."""
    slicer.app.userSettings().setValue(DEVICES, json.dumps(devices))


def choicesElsewhere() -> list[tuple[str, str]]:
    """(device, title) of what can be chosen there: the computer itself, and its devices once it was tested."""
    address = keptAddress()
    if address is None:
        return []
    found, name = json.loads(slicer.app.userSettings().value(DEVICES) or "[]"), str(replace(address, python=None))
    if not found:
        return [(str(address), name)]
    best = _("{computer}: automatic ({device})").format(computer=name, device=found[0][1])
    title = _("{computer}: {device} ({description})")
    return [(str(address), best)] + [
        (str(replace(address, device=device)), title.format(computer=name, device=device, description=description))
        for device, description in found
    ]
