"""Slices as people write them: empty, "all", FROM:TO or FROM:TO:STEP, counted from the feet; TO is not among them."""

from slicer.i18n import tr as _

from SAMedCore.errors import InputError

ALL = "all"


def parseSlices(text: str, count: int) -> tuple[int, ...] | None:
    """The slices, or None for an empty text, which leaves the choice to what is drawn.

    Args:
        count: of the volume's axial slices.

    Raises:
        InputError: the text is none of these, or names a slice that the volume does not have.
    """
    text = text.strip()
    if not text:
        return None
    if text.casefold() == ALL:
        return tuple(range(count))
    try:
        numbers = [int(part) for part in text.split(":")]
        slices = tuple(range(*numbers)) if len(numbers) in (2, 3) else ()
    except ValueError:
        slices = ()
    if not slices:
        sentence = _('Annotated slices "{text}": leave it empty, or write all, FROM:TO or FROM:TO:STEP, for example 52:112:6.')
        raise InputError(sentence.format(text=text))
    if min(slices) < 0 or max(slices) >= count:
        raise InputError(
            _('Annotated slices "{text}": the volume has the slices 0 to {last}.').format(text=text, last=count - 1)
        )
    return slices
