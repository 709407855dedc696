"""What a request to the worker needs, packages and a base model: whether it is there, and the one question that fetches it."""

from __future__ import annotations

from collections.abc import Callable

import slicer
from slicer.i18n import tr as _

from SAMedCore.checkpoint import catalogue, hub
from SAMedCore.service import messages
from SAMedLib.jobs.job import PlainJob
from SAMedLib.running.runner import Runner
from SAMedLib.setup.locations import cachedFiles
from SAMedLib.setup.packages import missingPackages
from SAMedLib.worker.client import Worker


def isReady(base: str | None) -> bool:
    """Whether packages and base model are there.

    Args:
        base: name of a base model of the catalogue or of the Hugging Face Hub; anything else is left to the worker.
    """
    return not missingPackages() and _toFetch(base) is None


def whenReady(runner: Runner, worker: Worker, base: str | None, button, proceed: Callable[[], None]) -> None:
    """Go on with `proceed` once packages and base model are there; the user is asked before anything is fetched.

    Args:
        base: as in `isReady`.
        button: the one that was clicked; it is Cancel while the base model is fetched.
    """
    if not runner.install():
        return
    missing = _toFetch(base)
    if missing is None:
        runner.attempt(proceed)
        return
    text = _("This needs the base model {description}, which is not on this computer. Download it now?")
    name, description = missing
    if slicer.util.confirmOkCancelDisplay(text.format(description=description), windowTitle=_("SAMed")):
        fetch = PlainJob(worker, messages.Fetch(name))
        runner.run(fetch, button, lambda values: fetch.wasCancelled or runner.attempt(proceed))


def _toFetch(base: str | None) -> tuple[str, str] | None:
    """Name and description of the base model where it is not on this computer."""
    if base is not None and hub.is_hub_name(base):
        return None if hub.find_fetched(hub.hub_name(base)) is not None else (base, base)
    known = {each.name: each for each in catalogue.BASE_MODELS}.get(base or "")
    return None if known is None or known.path in cachedFiles() else (known.name, known.description)
