"""What the voxel values of a label map mean: value, name, colour and SNOMED CT code of each structure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from SAMedCore.errors import InputError
from SAMedCore.image.texts import as_shown, is_readable

LONGEST_NAME = 256
"""Characters of a name or code; DICOM has 64."""


@dataclass(frozen=True)
class Code:
    """A coded concept as DICOM knows it (PS3.3, Basic Coded Entry Attributes), for example ``SCT 78961009 Spleen``."""

    scheme: str
    value: str
    meaning: str


ANATOMICAL_STRUCTURE = Code("SCT", "123037004", "Anatomical Structure")


@dataclass(frozen=True)
class Label:
    """One structure of a label map.

    Attributes:
        value: voxel value, 1..65535 (0 is the background and has no label).
        name: the name shown to people.
        rgb: colour, three integers 0..255.
        type: the structure's code; None where it has none.
        modifier: laterality or the like; None where there is none.
        category: the code's category, ``Anatomical Structure`` unless said otherwise.
    """

    value: int
    name: str
    rgb: tuple[int, int, int]
    type: Code | None = None
    modifier: Code | None = None
    category: Code = ANATOMICAL_STRUCTURE

    def __post_init__(self) -> None:
        if not 1 <= self.value <= 65535:
            raise InputError(f'label "{self.name}" has the value {self.value}: use 1 to 65535 (0 is the background).')
        if not self.name.strip():
            raise InputError(f"the label with the value {self.value} has no name: give it one.")
        if not is_readable(self.name) or len(self.name) > LONGEST_NAME:
            raise InputError(
                f"the label with the value {self.value} has a name that is too long or cannot be shown "
                f"({as_shown(self.name)}): give it another one."
            )
        if not all(0 <= channel <= 255 for channel in self.rgb):
            raise InputError(f'label "{self.name}" has the colour {self.rgb}: use three integers from 0 to 255.')


MOST_LABELS = 2000
"""More than any atlas of a body has; what has more is an image, or numbers single cells."""


@dataclass(frozen=True)
class LabelTable:
    """The structures of a label map or checkpoint, by ascending voxel value.

    Raises:
        InputError: two labels share a value or a name, or there are more than `MOST_LABELS`.
    """

    labels: tuple[Label, ...] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(sorted(self.labels, key=lambda label: label.value)))
        if len(self.labels) > MOST_LABELS:
            raise InputError(f"there are {len(self.labels)} labels, more than {MOST_LABELS}: choose a label map of structures.")
        for what, seen in (("value", Counter(self.values)), ("name", Counter(self.names))):
            twice = [item for item, times in seen.items() if times > 1]
            if twice:
                raise InputError(f"the label table gives the {what} {min(twice)!r} twice: make each one unique.")

    def __iter__(self):
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def values(self) -> tuple[int, ...]:
        return tuple(label.value for label in self.labels)

    def subset(self, names: Iterable[str]) -> LabelTable:
        """The labels of these names (upper and lower case alike), values unchanged.

        Raises:
            InputError: a name is not in the table.
        """
        by_name = {label.name.casefold(): label for label in self.labels}
        chosen = []
        for name in names:
            label = by_name.get(name.strip().casefold())
            if label is None:
                raise InputError(f'unknown label "{name}": choose from {", ".join(self.names)}.')
            chosen.append(label)
        return LabelTable(tuple(dict.fromkeys(chosen)))

    def to_json(self) -> list[dict[str, Any]]:
        """The table as plain lists and dictionaries; `from_json` reads it back."""
        return [
            {
                "value": label.value,
                "name": label.name,
                "rgb": list(label.rgb),
                "category": _code_to_json(label.category),
                "type": _code_to_json(label.type),
                "modifier": _code_to_json(label.modifier),
            }
            for label in self.labels
        ]

    @classmethod
    def from_json(cls, rows: Sequence[dict[str, Any]]) -> LabelTable:
        """Raises InputError where a row lacks its value or name, or one of its entries is none that it can have."""
        if not isinstance(rows, list | tuple):
            raise InputError("the label table cannot be read: a list of labels is expected.")
        return cls(tuple(_label_from_json(row) for row in rows))

    @classmethod
    def generic(cls, values: Iterable[int]) -> LabelTable:
        """Labels known by their value alone: "label 3", in colours that are told apart easily."""
        return cls(tuple(Label(int(value), f"label {int(value)}", generic_rgb(int(value))) for value in values))


def is_generic(label: Label) -> bool:
    """Whether nothing but its value is known; see `LabelTable.generic`."""
    return label.name == f"label {label.value}"


def generic_rgb(value: int) -> tuple[int, int, int]:
    """A colour for a label that has none: hues a golden angle apart, so that neighbours differ most."""
    import colorsys

    red, green, blue = colorsys.hsv_to_rgb((value * 0.381966) % 1.0, 0.55, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def _label_from_json(row: Any) -> Label:
    if not isinstance(row, dict) or type(row.get("value")) is not int or not isinstance(row.get("name"), str):
        raise InputError("the label table cannot be read: each row needs a whole number as value, and a name.")
    value, name = row["value"], row["name"]
    rgb = row.get("rgb", generic_rgb(value % 65536))
    if not isinstance(rgb, list | tuple) or len(rgb) != 3 or not all(type(each) is int and 0 <= each <= 255 for each in rgb):
        raise InputError(f"the label with the value {value} has no colour: give three whole numbers from 0 to 255.")
    kind, modifier, category = (_code_from_json(row.get(key), value) for key in ("type", "modifier", "category"))
    return Label(value, name, (rgb[0], rgb[1], rgb[2]), kind, modifier, category or ANATOMICAL_STRUCTURE)


def _code_to_json(code: Code | None) -> list[str] | None:
    return None if code is None else [code.scheme, code.value, code.meaning]


def _code_from_json(row: Any, value: int) -> Code | None:
    """The separators of Slicer's text for a code are no part of one, or it would bring others with it."""
    if row is None:
        return None
    if not isinstance(row, list | tuple) or len(row) != 3 or not all(isinstance(text, str) for text in row):
        raise InputError(f"the label with the value {value} has no code: give scheme, value and meaning.")
    if any(not is_readable(text) or len(text) > LONGEST_NAME or set(text) & set("~^|") for text in row):
        raise InputError(f"the label with the value {value} has a code that is too long or cannot be shown: give another one.")
    return Code(*row)


def _organ(value: int, name: str, rgb: tuple[int, int, int], code: str, meaning: str, side: Code | None = None) -> Label:
    return Label(value, name, rgb, Code("SCT", code, meaning), side)


RIGHT = Code("SCT", "24028007", "Right")
LEFT = Code("SCT", "7771000", "Left")

SYNAPSE_ORGANS = LabelTable(
    (
        _organ(1, "spleen", (157, 108, 162), "78961009", "Spleen"),
        _organ(2, "right kidney", (185, 102, 83), "64033007", "Kidney", RIGHT),
        _organ(3, "left kidney", (185, 102, 83), "64033007", "Kidney", LEFT),
        _organ(4, "gallbladder", (139, 150, 98), "28231008", "Gallbladder"),
        _organ(5, "liver", (221, 130, 101), "10200004", "Liver"),
        _organ(6, "stomach", (216, 132, 105), "69695003", "Stomach"),
        _organ(7, "aorta", (224, 97, 76), "15825003", "Aorta"),
        _organ(8, "pancreas", (249, 180, 111), "15776009", "Pancreas"),
    )
)
"""The eight organs of SAMed's Synapse protocol (paper, section 4.1), in its label order, in Slicer's anatomy colours."""


def label_named(value: int, name: str) -> Label:
    """A label of this value and name: with the colour and the codes of `SYNAPSE_ORGANS` where it is one of them."""
    organ = next((organ for organ in SYNAPSE_ORGANS if organ.name.casefold() == name.strip().casefold()), None)
    return Label(value, name, generic_rgb(value)) if organ is None else replace(organ, value=value, name=name)
