"""The files that `torch.save` writes, read without `torch.load`: nothing in them is executed, and no more memory is asked for
than they hold.

Whoever makes up such a file runs code of his own through `torch.load(weights_only=True)` of torch before 2.6 (CVE-2025-32434),
and overwrites memory before 2.10 (CVE-2026-24747). Here the pickle makes nothing but dictionaries, lists, tuples, numbers,
texts and tensors, and a tensor is a view of the mapped file, within its record.
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from SAMedCore.errors import InputError, is_out_of_memory

LONGEST_LIST = 4 * 2**20
"""Bytes of names and shapes, and of an archive's directory, in any file of weights: those of vit_h take a fiftieth of it."""

TOO_LONG = f"its list of tensors is longer than {LONGEST_LIST // 2**20} MB"

MOST_AXES = 8
LONGEST_AXIS = 2**31

DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
}
"""As torch.save names them; True and False are not among them, since not every byte is one of the two."""

LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
"""With which files began before torch 1.6, which were no archives."""


def read_torch_file(path: Path, check_sums: bool = False) -> Any:
    """What `torch.save` wrote, tensors on the CPU: a dictionary, as a rule.

    Args:
        check_sums: whether to read all of it and compare with its check sums, for files of which no SHA-256 is known. Those of
            torch before 1.6 have none.

    Raises:
        InputError: it holds anything but tensors and plain values, or is damaged; the sentence does not name the file.
    """
    try:
        with _Bounded(path) as file:
            # private: what is written to a tensor stays in memory
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            if zipfile.is_zipfile(file):
                return _from_archive(file, mapped, check_sums)
            return _from_legacy(mapped)
    except InputError:
        raise
    except Exception as error:  # unpickling raises whatever a damaged file leads to
        if is_out_of_memory(error):
            raise
        raise InputError(f"it is cut off, damaged or of another kind ({type(error).__name__})") from error


class _Bounded(io.FileIO):
    """A file of which nothing large is read at once: the data is mapped, and the rest is short."""

    def read(self, size: int | None = -1) -> bytes:
        wanted = LONGEST_LIST + 1 if size is None or size < 0 else size
        read = super().read(min(wanted, LONGEST_LIST + 1))
        if len(read) > LONGEST_LIST:
            raise InputError(TOO_LONG)
        return read


def _from_archive(file: _Bounded, mapped: mmap.mmap, check_sums: bool) -> Any:
    with zipfile.ZipFile(file) as archive:
        (pickled,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
        folder = pickled.removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist() and _record(archive, f"{folder}byteorder", mapped) != b"little":
            raise InputError("it was written on a computer with another order of bytes")

        def find(key: str) -> memoryview:
            return _record(archive, f"{folder}data/{key}", mapped, check_sums)

        return _Unpickler(io.BytesIO(_record(archive, pickled, mapped, check_sums, LONGEST_LIST)), find).load()


def _record(archive: zipfile.ZipFile, name: str, mapped: mmap.mmap, check_sum: bool = False, most: int = 2**63) -> memoryview:
    """The bytes of one member, which torch stores as they are, where they lie in the file."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
        raise InputError("it is compressed, which torch's files are not")
    if member.file_size > most:
        raise InputError(TOO_LONG)
    signature, name_length, extra_length = struct.unpack_from("<4s22xHH", mapped, member.header_offset)
    start = member.header_offset + struct.calcsize("<4s22xHH") + name_length + extra_length
    if signature != b"PK\3\4" or start + member.file_size > len(mapped):
        raise InputError("it is cut off or damaged")
    record = memoryview(mapped)[start : start + member.file_size]
    if check_sum and zlib.crc32(record) != member.CRC:
        raise InputError("it is damaged, its check sums are not right")
    return record


def _from_legacy(mapped: mmap.mmap) -> Any:
    """Four pickles, the list of the storages' names, and the storages in that order, each behind its length."""
    stream = io.BytesIO(mapped[: 2 * LONGEST_LIST])
    magic, protocol, system = (_Unpickler(stream).load() for _ in range(3))
    if magic != LEGACY_MAGIC or protocol != LEGACY_PROTOCOL or not system["little_endian"]:
        raise InputError("it is no file of torch's, or of a computer with another order of bytes")
    begin = stream.tell()
    listing = _Unpickler(stream)
    listing.load()
    places, at = {}, 0
    for key in _Unpickler(stream).load():
        dtype, count = listing.storages[key]
        places[key] = at + 8, at + 8 + count * dtype.itemsize
        at = places[key][1]
    data = stream.tell()
    if data + at > len(mapped):
        raise InputError("it is cut off")
    stream.seek(begin)
    return _Unpickler(stream, lambda key: memoryview(mapped)[slice(*(data + each for each in places[key]))]).load()


@dataclass(frozen=True)
class _Storage:
    """Where tensors lie: one axis of numbers; None where the file's list of them is only looked through."""

    count: int
    numbers: torch.Tensor | None


@dataclass(frozen=True)
class _Global:
    """What a file may name: a kind of storage, or what makes a value of what the file says."""

    dtype: torch.dtype | None = None
    make: Callable[..., Any] | None = None


class _Unpickler(pickle._Unpickler):
    """Python's own in Python, whose instructions are left out or replaced but for those that build plain values.

    Args:
        file: the pickle; more may follow.
        find: name of a storage -> its bytes; None to look the list through.
    """

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {}
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, file: io.BytesIO, find: Callable[[str], memoryview] | None = None) -> None:
        super().__init__(file, encoding="utf-8")
        self.find = find
        self.storages: dict[str, tuple[torch.dtype, int]] = {}
        self._found: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> _Global:
        if module == "torch" and name in DTYPES:
            return _Global(dtype=DTYPES[name])
        if (module, name) not in MAKERS:
            raise InputError(f"it asks for {ascii(f'{module}.{name}')[:60]}, which is no tensor")
        return _Global(make=MAKERS[module, name])

    def persistent_load(self, pid: Any) -> _Storage:
        kind, of, key, _, count = pid[:5]
        if kind != "storage" or type(key) is not str or type(count) is not int or not 0 <= count < 2**62:
            raise pickle.UnpicklingError("no storage")
        if key not in self._found:
            self.storages[key] = of.dtype, count
            self._found[key] = _Storage(count, None if self.find is None else _numbers(self.find(key), of.dtype, count))
        return self._found[key]

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.stack[-1].make(*arguments)

    def load_build(self) -> None:
        """What an object knows beside its contents, a state dictionary's versions, is of no use here."""
        self.stack.pop()
        if type(self.stack[-1]) is not dict:
            raise pickle.UnpicklingError("no dictionary")

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._set(dict(zip(items[::2], items[1::2], strict=True)) if _are_keys(items[::2]) else None)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set({key: value} if _are_keys([key]) else None)

    def _set(self, items: dict[Any, Any] | None) -> None:
        if items is None or type(self.stack[-1]) is not dict:
            raise pickle.UnpicklingError("no dictionary of texts or numbers")
        self.stack[-1].update(items)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._append(items)

    def load_append(self) -> None:
        self._append([self.stack.pop()])

    def _append(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError("no list")
        self.stack[-1].extend(items)


KEPT = (
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID"),
)
REPLACED = {
    "REDUCE": _Unpickler.load_reduce,
    "BUILD": _Unpickler.load_build,
    "SETITEM": _Unpickler.load_setitem,
    "SETITEMS": _Unpickler.load_setitems,
    "APPEND": _Unpickler.load_append,
    "APPENDS": _Unpickler.load_appends,
}
for _name in KEPT:
    _Unpickler.dispatch[getattr(pickle, _name)[0]] = pickle._Unpickler.dispatch[getattr(pickle, _name)[0]]
for _name, _load in REPLACED.items():
    _Unpickler.dispatch[getattr(pickle, _name)[0]] = _load


def _are_keys(keys: list[Any]) -> bool:
    """Texts or whole numbers: of nested tuples the hash alone may take for ever."""
    return all(type(key) in (str, int) for key in keys)


def _numbers(data: memoryview, dtype: torch.dtype, count: int) -> torch.Tensor:
    """A storage's numbers (count), where they lie."""
    if len(data) != count * dtype.itemsize:
        raise InputError("it is damaged: its tensors are not as large as it says")
    if not count:
        return torch.empty(0, dtype=dtype)
    as_bytes = torch.frombuffer(data, dtype=torch.uint8)
    return (as_bytes if as_bytes.data_ptr() % dtype.itemsize == 0 else as_bytes.clone()).view(dtype)


def _tensor(storage: _Storage, offset: int, size: Sequence[Any], stride: Sequence[Any], *_: Any) -> torch.Tensor | None:
    """As torch._utils._rebuild_tensor_v2; None where the list is only looked through."""
    values = [offset, *size, *stride]
    if len(size) > MOST_AXES or any(type(each) is not int or not 0 <= each <= LONGEST_AXIS for each in values):
        raise InputError("it is damaged: a tensor has an impossible shape")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    # no more numbers than the storage has, or one could be said to be a billion
    if math.prod(size) > storage.count or (math.prod(size) and last >= storage.count):
        raise InputError("it is damaged: a tensor is larger than its data")
    return None if storage.numbers is None else storage.numbers.as_strided(size, stride, offset)


def _same(tensor: torch.Tensor, *_: Any) -> torch.Tensor:
    return tensor


def _dictionary() -> dict[Any, Any]:
    return {}


MAKERS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _same,
    ("collections", "OrderedDict"): _dictionary,
}
