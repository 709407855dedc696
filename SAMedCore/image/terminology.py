"""Slicer's text for a coded segment: its terminology entry, from and to the codes of a `Label`."""

from __future__ import annotations

from SAMedCore.image.labels import ANATOMICAL_STRUCTURE, Code, Label

CATEGORY_LIST = "Segmentation category and type - 3D Slicer General Anatomy list"
REGION_LIST = "Anatomic codes - DICOM master list"

TISSUE = Code("SCT", "85756007", "Tissue")
"""What Slicer calls a segment of no known type; as a type it says nothing."""


def terminology_entry(label: Label) -> str:
    """Slicer's text for a label's codes; a label without a type is given as tissue, as Slicer does it."""
    category, kind = (label.category, label.type) if label.type else (TISSUE, TISSUE)
    codes = "~".join(_code_text(code) for code in (category, kind, label.modifier))
    return f"{CATEGORY_LIST}~{codes}~{REGION_LIST}~^^~^^"


def codes_of(entry: str) -> tuple[Code | None, Code | None, Code]:
    """Type, modifier and category in a terminology entry; no type where it says nothing or cannot be read."""
    category, kind, modifier = (_code_of(part) for part in (*entry.split("~")[1:4], *[""] * 3)[:3])
    if kind is None or kind == TISSUE:
        return None, None, ANATOMICAL_STRUCTURE
    return kind, modifier, category or ANATOMICAL_STRUCTURE


def _code_of(text: str) -> Code | None:
    scheme, value, meaning = (*text.split("^"), "", "", "")[:3]
    return Code(scheme, value, meaning) if scheme and value else None


def _code_text(code: Code | None) -> str:
    return f"{code.scheme}^{code.value}^{code.meaning}" if code else "^^"
