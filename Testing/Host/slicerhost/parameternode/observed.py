"""Lists and dictionaries that a parameter node gives out: a change of them is a change of the node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping, MutableSequence
from typing import Any


class ObservedList(MutableSequence):
    """A list that writes every change of it to the parameter node. As in Slicer it cannot be added to or multiplied."""

    def __init__(self, values: list, save: Callable[[list], None]) -> None:
        self._values, self._save = values, save

    def __getitem__(self, index: int | slice) -> Any:
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def __setitem__(self, index: int | slice, value: Any) -> None:
        self._values[index] = value
        self._save(self._values)

    def __delitem__(self, index: int | slice) -> None:
        del self._values[index]
        self._save(self._values)

    def insert(self, index: int, value: Any) -> None:
        self._values.insert(index, value)
        self._save(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    __hash__ = None

    def __repr__(self) -> str:
        return f"ObservedList({self._values})"


class ObservedDict(MutableMapping):
    """A dictionary that writes every change of it to the parameter node."""

    def __init__(self, values: dict, save: Callable[[dict], None]) -> None:
        self._values, self._save = values, save

    def __getitem__(self, key: Any) -> Any:
        return self._values[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._values[key] = value
        self._save(self._values)

    def __delitem__(self, key: Any) -> None:
        del self._values[key]
        self._save(self._values)

    def __iter__(self) -> Iterator:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"ObservedDict({self._values})"
