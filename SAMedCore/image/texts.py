"""Texts that came from somewhere else and are shown: on a terminal, in a report, in Slicer, in a DICOM file."""

from __future__ import annotations

import unicodedata

LONGEST_SENTENCE = 2000
"""Characters; a file's name may take most of them."""

JOINERS = "\u200c\u200d"
"""Invisible, and part of how Persian and Indian languages are written."""


def is_readable(text: str) -> bool:
    """Whether it shows as what it is, on one line.

    Not so with control characters, among them line breaks and the escapes that rule a terminal; with those that turn the
    direction of writing or cannot be seen; with half a surrogate pair, which no file can hold. Any space will do.
    """
    return all(each.isprintable() or each in JOINERS or unicodedata.category(each) == "Zs" for each in text)


def as_shown(text: str) -> str:
    """In ASCII and quotes, no longer than a sentence can bear: how a complaint names a text that is not readable."""
    written = ascii(text[:50])
    return f"{written}..." if len(text) > 50 else written


def in_one_line(text: str) -> str:
    """As a sentence is shown: without line breaks, shortened in the middle beyond `LONGEST_SENTENCE`, and `harmless`."""
    line, half = " ".join(text.split()), LONGEST_SENTENCE // 2
    return harmless(line if len(line) <= LONGEST_SENTENCE else f"{line[:half]} ... {line[-half:]}")


def harmless(text: str, kept: str = "") -> str:
    """With what is not readable (`is_readable`) written as its number, but for the characters in `kept`.

    Files may have names that rule a terminal, or that are no UTF-8; of these the bytes are shown.
    """
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # other halves of characters than those that stand for bytes
        text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(each if each in kept or is_readable(each) else each.encode("unicode_escape").decode() for each in text)
