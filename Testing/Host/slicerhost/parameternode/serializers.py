"""How values of each type are kept in a parameter node: strings by name, and node references."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Iterable
from typing import Any

import slicer

from slicerhost.parameternode.annotations import IsInstance, NotNone, Validator, split
from slicerhost.parameternode.observed import ObservedDict, ObservedList

Node = slicer.vtkMRMLScriptedModuleNode


class Serializer:
    """Reads and writes the parameter of a name. This one keeps values as plain text.

    Args:
        kind: the type of the values.
        validators: checks before writing.
    """

    cached = True

    def __init__(self, kind: Any, validators: Iterable[Validator] = ()) -> None:
        self.kind, self.validators = kind, list(validators)

    def default(self) -> Any:
        return self.kind()

    def validate(self, value: Any) -> None:
        for validator in self.validators:
            validator.validate(value)

    def isIn(self, node: Node, name: str) -> bool:
        return bool(node.HasParameter(name))

    def write(self, node: Node, name: str, value: Any) -> None:
        self.validate(value)
        node.SetParameter(name, str(value))

    def read(self, node: Node, name: str) -> Any:
        return self.kind(node.GetParameter(name))

    def remove(self, node: Node, name: str) -> None:
        node.UnsetParameter(name)


class BoolSerializer(Serializer):
    def read(self, node: Node, name: str) -> bool:
        return node.GetParameter(name) == "True"


class EnumSerializer(Serializer):
    def default(self) -> enum.Enum:
        return next(iter(self.kind))

    def write(self, node: Node, name: str, value: enum.Enum) -> None:
        self.validate(value)
        node.SetParameter(name, value.name)

    def read(self, node: Node, name: str) -> enum.Enum:
        return self.kind[node.GetParameter(name)]


class NoneSerializer(Serializer):
    def default(self) -> None:
        return None

    def write(self, node: Node, name: str, value: None) -> None:
        self.validate(value)
        node.SetParameter(name, "True")

    def read(self, node: Node, name: str) -> None:
        return None


class NodeSerializer(Serializer):
    """A node reference whose role is the parameter's name, beside an empty parameter that says that it was set."""

    def default(self) -> None:
        return None

    def write(self, node: Node, name: str, value: slicer.vtkMRMLNode | None) -> None:
        self.validate(value)
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
        super().__init__(list, [NotNone()])
        self.element = element

    def isIn(self, node: Node, name: str) -> bool:
        return bool(node.HasParameter(f"{name}.len"))

    def write(self, node: Node, name: str, value: Iterable) -> None:
        self.validate(value)
        values = list(value)
        for element in values:
            self.element.validate(element)
        with slicer.util.NodeModify(node):
            for index in range(len(values), self._count(node, name)):
                self.element.remove(node, f"{name}.{index}")
            for index, element in enumerate(values):
                self.element.write(node, f"{name}.{index}", element)
            node.SetParameter(f"{name}.len", str(len(values)))

    def read(self, node: Node, name: str) -> ObservedList:
        values = [self.element.read(node, f"{name}.{index}") for index in range(self._count(node, name))]
        return ObservedList(values, lambda changed: self.write(node, name, changed))

    def remove(self, node: Node, name: str) -> None:
        with slicer.util.NodeModify(node):
            for index in range(self._count(node, name)):
                self.element.remove(node, f"{name}.{index}")
            node.UnsetParameter(f"{name}.len")

    def _count(self, node: Node, name: str) -> int:
        return int(node.GetParameter(f"{name}.len") or 0)


class TupleSerializer(Serializer):
    """The elements by number: `name.0`, `name.1`."""

    def __init__(self, elements: list[Serializer]) -> None:
        super().__init__(tuple, [NotNone()])
        self.elements = elements

    def default(self) -> tuple:
        return tuple(element.default() for element in self.elements)

    def isIn(self, node: Node, name: str) -> bool:
        return self.elements[0].isIn(node, f"{name}.0")

    def write(self, node: Node, name: str, value: tuple) -> None:
        self.validate(value)
        with slicer.util.NodeModify(node):
            for index, (element, item) in enumerate(zip(self.elements, value, strict=True)):
                element.write(node, f"{name}.{index}", item)

    def read(self, node: Node, name: str) -> tuple:
        return tuple(element.read(node, f"{name}.{index}") for index, element in enumerate(self.elements))

    def remove(self, node: Node, name: str) -> None:
        for index, element in enumerate(self.elements):
            element.remove(node, f"{name}.{index}")


class DictSerializer(ListSerializer):
    """A list of pairs."""

    def __init__(self, key: Serializer, value: Serializer) -> None:
        super().__init__(TupleSerializer([key, value]))
        self.kind = dict

    def write(self, node: Node, name: str, value: typing.Mapping) -> None:
        super().write(node, name, value.items())

    def read(self, node: Node, name: str) -> ObservedDict:
        pairs = super().read(node, name)
        return ObservedDict(dict(pairs), lambda changed: self.write(node, name, changed))


class UnionSerializer(Serializer):
    """The value under the number of its type in the union: `name.0` for the first."""

    def __init__(self, members: list[Serializer]) -> None:
        super().__init__(typing.Union)
        self.members = members

    def default(self) -> Any:
        optional = len(self.members) == 2 and isinstance(self.members[1], NoneSerializer)
        return None if optional else self.members[0].default()

    def isIn(self, node: Node, name: str) -> bool:
        return any(member.isIn(node, f"{name}.{index}") for index, member in enumerate(self.members))

    def validate(self, value: Any) -> None:
        self._memberFor(value)

    def write(self, node: Node, name: str, value: Any) -> None:
        chosen = self._memberFor(value)
        with slicer.util.NodeModify(node):
            self.remove(node, name)
            self.members[chosen].write(node, f"{name}.{chosen}", value)

    def read(self, node: Node, name: str) -> Any:
        index = next(i for i, member in enumerate(self.members) if member.isIn(node, f"{name}.{i}"))
        return self.members[index].read(node, f"{name}.{index}")

    def remove(self, node: Node, name: str) -> None:
        for index, member in enumerate(self.members):
            member.remove(node, f"{name}.{index}")

    def _memberFor(self, value: Any) -> int:
        for index, member in enumerate(self.members):
            matches = value is None if isinstance(member, NoneSerializer) else isinstance(value, member.kind)
            if matches:
                member.validate(value)
                return index
        raise TypeError(f"Unable to write value {value!r} of type {type(value)}")


def serializerFor(hint: Any) -> Serializer:
    """The serializer of a type, with the checks that its annotations ask for.

    Raises:
        TypeError: this stand-in stores no values of that type.
    """
    kind, annotations = split(hint)
    serializer = _plainSerializer(kind)
    serializer.validators += [annotation for annotation in annotations if isinstance(annotation, Validator)]
    return serializer


def _plainSerializer(kind: Any) -> Serializer:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and arguments:
        return ListSerializer(serializerFor(arguments[0]))
    if origin is tuple and arguments:
        return TupleSerializer([serializerFor(argument) for argument in arguments])
    if origin is dict and len(arguments) == 2:
        return DictSerializer(*map(serializerFor, arguments))
    if origin in (typing.Union, types.UnionType):
        return UnionSerializer([serializerFor(argument) for argument in arguments])
    if kind is bool:
        return BoolSerializer(bool, [NotNone(), IsInstance(bool)])
    if kind is float:
        return Serializer(float, [NotNone(), IsInstance((int, float))])
    if kind in (int, str) or (isinstance(kind, type) and issubclass(kind, pathlib.PurePath)):
        return Serializer(kind, [NotNone(), IsInstance(kind)])
    if kind is types.NoneType:
        return NoneSerializer(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return EnumSerializer(kind, [IsInstance(kind)])
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return NodeSerializer(kind, [IsInstance(kind)])
    raise TypeError(f"the stand-in for parameterNodeWrapper stores no {kind}")
