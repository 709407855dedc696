"""Texts that came from somewhere else and are shown: on a terminal, in a report, in Slicer, in a DICOM file."""

from __future__ import annotations

import unicodedata

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
