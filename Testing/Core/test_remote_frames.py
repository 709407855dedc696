"""What travels: frames and packed voxels, whole, in pieces, damaged or not meant for us."""

import contextlib
import json
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from SAMedCore.remote.frames import (
    HEADER,
    LONGEST_CHATTER,
    LONGEST_FRAME,
    MARK,
    BrokenStream,
    Frame,
    Frames,
    Greeting,
    Kind,
    framed,
    greeting,
)
from SAMedCore.remote.packing import PIECE, pack, unpack
from SAMedCore.remote.sending import pieces

FRAMES = st.lists(st.builds(Frame, st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=6)


def in_pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    return [content[start:stop] for start, stop in pairwise(places)]


@given(FRAMES, st.lists(st.integers(0, 2000), max_size=8))
def test_frames_come_whole_however_they_are_cut(frames, cuts):
    stream = b"".join(framed(frame.kind, frame.number, frame.payload) for frame in frames)
    reader = Frames()
    assert [frame for piece in in_pieces(stream, cuts) for frame in reader.feed(piece)] == frames


@given(FRAMES.filter(bool), st.data())
def test_a_stream_that_is_cut_off_gives_what_was_whole(frames, data):
    stream = b"".join(framed(frame.kind, frame.number, frame.payload) for frame in frames)
    cut = data.draw(st.integers(0, len(stream) - 1))
    whole = Frames().feed(stream[:cut])
    assert whole == frames[: len(whole)]
    assert len(whole) < len(frames)


@given(st.binary(min_size=HEADER.size, max_size=200))
def test_garbage_is_no_frame(garbage):
    try:
        frames = Frames().feed(garbage)
    except BrokenStream:
        return
    assert garbage[:2] == b"SF"
    assert all(frame.kind in Kind for frame in frames)


@pytest.mark.parametrize(
    "header", [(b"SF", 9, 0, 0), (b"SF", 1, 0, LONGEST_FRAME + 1), (b"HT", 1, 0, 0)], ids=["kind", "length", "sync"]
)
def test_what_no_end_sends_is_refused_at_once(header):
    with pytest.raises(BrokenStream):
        Frames().feed(HEADER.pack(*header))


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"op": 1}', b"\xff", b'{"no": "op"}'])
def test_a_call_that_is_none_is_refused(payload):
    with pytest.raises(BrokenStream):
        _ = Frame(Kind.CALL, 0, payload).call


CHATTER = st.binary(max_size=300).filter(lambda text: MARK not in text + MARK[:-1])


@given(CHATTER, st.binary(max_size=50), st.lists(st.integers(0, 600), max_size=5))
def test_a_greeting_is_found_behind_whatever_a_login_prints(chatter, after, cuts):
    facts = {"protocol": 5, "cache": "/tmp/privé"}
    reader, rest = Greeting(), b""
    for piece in in_pieces(chatter + greeting(facts) + after, cuts):
        rest += piece if reader.facts is not None else reader.feed(piece)
    assert reader.facts == facts
    assert rest == after
    assert reader.chatter == chatter


def test_a_login_that_never_stops_talking_is_given_up():
    reader = Greeting()
    reader.feed(b"y" * LONGEST_CHATTER)
    with pytest.raises(BrokenStream):
        reader.feed(b"y")
    with pytest.raises(BrokenStream):
        Greeting().feed(MARK + b"no json\n")


ARRAYS = numpy_st.arrays(
    st.sampled_from(["u1", "<i2", ">i2", "<u2", "<i4", "<f2", "<f4", ">f4", "<f8", "<i8"]), st.integers(0, 400)
)


@given(ARRAYS)
def test_packing_loses_no_bit(voxels):
    piece = voxels.tobytes()
    packed = pack(piece, voxels.dtype.itemsize)
    assert unpack(packed) == piece
    assert len(packed) <= len(piece) + 1


@given(st.binary(max_size=500), st.sampled_from([1, 2, 3, 4, 8]))
def test_packing_takes_any_bytes(piece, item_size):
    assert unpack(pack(piece, item_size)) == piece


@given(st.binary(max_size=100))
def test_what_is_no_packed_piece_is_refused_or_small(payload):
    with contextlib.suppress(BrokenStream):
        assert len(unpack(payload)) <= PIECE


def test_a_piece_that_would_be_huge_is_refused():
    bomb = bytes([1]) + zlib.compress(bytes(100 * PIECE))
    with pytest.raises(BrokenStream, match="too long"):
        unpack(bomb)


def test_a_ct_becomes_smaller_than_by_zlib_alone(sample_ct):
    slices = [part.tobytes() for part in sample_ct.voxels.astype(np.int16)]
    packed, zipped = sum(len(pack(part, 2)) for part in slices), sum(len(zlib.compress(part, 9)) for part in slices)
    assert packed < 0.8 * zipped


@given(ARRAYS.filter(lambda array: array.size > 0))
def test_the_pieces_of_a_file_are_the_file(tmp_path_factory, voxels):
    path = tmp_path_factory.mktemp("pieces") / "voxels.npy"
    np.save(path, voxels)
    found = list(pieces(path))
    assert b"".join(piece for piece, _ in found) == path.read_bytes()
    assert [item_size for _, item_size in found] == [1, voxels.dtype.itemsize]


def test_a_file_that_only_claims_to_be_voxels_travels_too(tmp_path):
    path = tmp_path / "notes.npy"
    path.write_bytes(json.dumps({"not": "voxels"}).encode() * 100000)
    assert b"".join(piece for piece, _ in pieces(path)) == path.read_bytes()
