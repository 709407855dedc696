"""Which failures may pass, and what is said of them."""

import errno

import pytest

from SAMedCore.cohort.faults import may_pass, sentence_of, storage_error
from SAMedCore.errors import InputError, SAMedError


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


PASSING = [
    MemoryError(),
    RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    OSError(errno.EIO, "Input/output error"),
    OSError(errno.ESTALE, "Stale file handle"),
    OSError(errno.ENOSPC, "No space left on device"),
    SAMedError("the GPU has too little memory for one slice"),
    caused(InputError("cannot be written"), OSError(errno.EIO, "Input/output error")),
]
LASTING = [
    InputError("one voxel thick"),
    FileNotFoundError(errno.ENOENT, "No such file"),
    PermissionError(errno.EACCES, "Permission denied"),
    ZeroDivisionError("1/0"),
    caused(InputError("not an image"), RuntimeError("ITK ERROR")),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_memory_and_storage_may_pass(error):
    assert may_pass(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_bad_input_does_not(error):
    assert not may_pass(error)


@pytest.mark.parametrize("error", PASSING + LASTING, ids=repr)
def test_it_is_one_sentence(error):
    said = sentence_of(error)
    assert said
    assert "\n" not in said


def test_a_file_whose_bytes_can_be_had_is_not_the_storages_fault(tmp_path):
    (tmp_path / "scan.nii.gz").write_bytes(b"no image")
    assert storage_error(tmp_path / "scan.nii.gz") is None
    assert storage_error(tmp_path) is None
    assert isinstance(storage_error(tmp_path / "missing.nii.gz"), FileNotFoundError)
