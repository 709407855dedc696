"""What a job is at, in words."""

from slicer.i18n import tr as _

PHASES = {
    "preparing": _("Copying the volume"),
    "sending": _("Sending to the other computer"),
    "waiting": _("Waiting for another job"),
    "loading": _("Loading the model"),
    "reading": _("Reading"),
    "fetching": _("Fetching"),
    "importing": _("Importing the checkpoint"),
    "interpolating": _("Interpolating shapes"),
    "encoding": _("Encoding slices"),
    "estimating": _("Estimating how good it gets"),
    "training": _("Training"),
    "comparing": _("Comparing with the start"),
    "completing": _("Filling in slices"),
    "propagating": _("Carrying on through the slices"),
    "segmenting": _("Segmenting"),
    "ranking": _("Ranking slices"),
}
"""By the phase of a `Progress`, and "preparing", which is Slicer's own."""


def duration(seconds: float) -> str:
    """ "0:05", "12:30" or "1:02:00"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
