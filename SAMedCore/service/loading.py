"""What takes seconds to import, before the first request is worked on."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

from SAMedCore import __version__
from SAMedCore.errors import SAMedError
from SAMedCore.service.events import Device, Ready

if TYPE_CHECKING:
    from SAMedCore.service.models import Models
    from SAMedCore.service.volumes import Volumes


class CannotLoad(SAMedError):
    """A package is missing or damaged."""


def load() -> tuple[Models, Volumes]:
    """Import what the jobs import, and nothing that they do not, so that the first one starts at once."""
    try:
        from SAMedCore.service import jobs  # noqa: F401
        from SAMedCore.service.models import Models
        from SAMedCore.service.volumes import Volumes
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CannotLoad(
            f'The package "{_broken_package(error)}" cannot be loaded ({reason}): reinstall the packages in SAMed\'s settings.'
        ) from error
    return Models(), Volumes()


def ready() -> Ready:
    """What the other side is told then."""
    from SAMedCore.devices import found_devices

    return Ready(os.getpid(), __version__, tuple(Device(*device) for device in found_devices()))


def _broken_package(error: Exception) -> str:
    """Which package an import failed in: the missing one, or the last one outside Python's own that was being imported."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    packages = [module.partition(".")[0] for module in modules]
    return [package for package in packages if package not in sys.stdlib_module_names][-1]
