"""How the parameters of a parameter node are kept in it, by type: text by name, and node references. As Slicer keeps them."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import slicer

Node = slicer.vtkMRMLScriptedModuleNode
ACCEPTED = {bool: bool, int: int, float: (int, float), str: str}
"""The classes whose objects are values of a type."""


@dataclass(frozen=True)
class WithinRange:
    """Beside a type in `Annotated[...]`: what may be written, and what the parameter's widget offers."""

    minimum: float
    maximum: float


class Serializer:
    """Reads and writes the parameter of a name; text, numbers and truth values are kept as text.

    Args:
        kind: the type of the values.
        within: what they are bound to.
    """

    def __init__(self, kind: type, within: WithinRange | None = None) -> None:
        self.kind, self.within = kind, within

    def default(self) -> Any:
        return self.kind()

    def check(self, value: Any) -> None:
        """Raises TypeError or ValueError where this is no value of the parameter."""
        if not isinstance(value, ACCEPTED[self.kind]):
            raise TypeError(f"Value must be of type '{self.kind}', is {value!r}")
        if self.within is not None and not self.within.minimum <= value <= self.within.maximum:
            raise ValueError(f"Value must be within [{self.within.minimum}, {self.within.maximum}], is {value}")

    def isIn(self, node: Node, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Node, name: str, value: Any) -> None:
        self.check(value)
        node.SetParameter(name, str(value))

    def read(self, node: Node, name: str) -> Any:
        text = node.GetParameter(name)
        return text == "True" if self.kind is bool else self.kind(text)

    def remove(self, node: Node, name: str) -> None:
        node.UnsetParameter(name)


class NodeSerializer(Serializer):
    """A node reference whose role is the parameter's name, beside an empty parameter that says that it was set."""

    def default(self) -> None:
        return None

    def check(self, value: Any) -> None:
        if value is not None and not isinstance(value, self.kind):
            raise TypeError(f"Value must be of type '{self.kind}', is {value!r}")

    def write(self, node: Node, name: str, value: slicer.vtkMRMLNode | None) -> None:
        self.check(value)
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Node, name: str) -> slicer.vtkMRMLNode | None:
        return node.GetNodeReference(name)

    def remove(self, node: Node, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class ListSerializer(Serializer):
    """The elements by number, and their count: `name.0`, `name.1`, `name.len`."""

    def __init__(self, element: Serializer) -> None:
        super().__init__(list)
        self.element = element

    def isIn(self, node: Node, name: str) -> bool:
        return bool(node.HasParameter(f"{name}.len"))

    def write(self, node: Node, name: str, value: Iterable) -> None:
        values = list(value)
        for element in values:
            self.element.check(element)
        with slicer.util.NodeModify(node):
            for index in range(len(values), self._count(node, name)):
                self.element.remove(node, f"{name}.{index}")
            for index, element in enumerate(values):
                self.element.write(node, f"{name}.{index}", element)
            node.SetParameter(f"{name}.len", str(len(values)))

    def read(self, node: Node, name: str) -> ObservedList:
        return ObservedList([self.element.read(node, f"{name}.{index}") for index in range(self._count(node, name))])

    def _count(self, node: Node, name: str) -> int:
        return int(node.GetParameter(f"{name}.len") or 0)


class ObservedList(Sequence):
    """What is given out for a list. As in Slicer it cannot be added to or multiplied; here it cannot be changed either."""

    def __init__(self, values: list) -> None:
        self._values = values

    def __getitem__(self, index: int | slice) -> Any:
        return self._values[index]

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return self._values == (other._values if isinstance(other, ObservedList) else other)

    __hash__ = None


def serializerFor(hint: Any) -> Serializer:
    """The serializer of a type hint.

    Raises:
        TypeError: this stand-in stores no values of that type.
    """
    if typing.get_origin(hint) is list:
        return ListSerializer(serializerFor(typing.get_args(hint)[0]))
    kind, within = hint, None
    if typing.get_origin(hint) is typing.Annotated:
        kind, (within,) = hint.__origin__, hint.__metadata__
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeSerializer(kind)
    if kind not in ACCEPTED or not isinstance(within, WithinRange | None):
        raise TypeError(f"the stand-in for parameterNodeWrapper stores no {hint}")
    return Serializer(kind, within)
