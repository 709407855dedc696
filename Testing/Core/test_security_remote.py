"""Another computer that lies: what it names is taken as a plain name in the private folder, or it is no longer listened to."""

from types import SimpleNamespace

import pytest

from SAMedCore.options import ModelOptions
from SAMedCore.remote.frames import Frame, Kind
from SAMedCore.remote.hearing import Hearing
from SAMedCore.remote.open_requests import OpenRequests
from SAMedCore.service.events import Error, Result, Slices
from SAMedCore.service.messages import Segment
from SAMedCore.service.wire import decode_event, encode

LIES = ["..", ".", "", "/etc/passwd", "../volume-1.npy", "a/b.npy", "C:\\x.npy", "a\0b"]


@pytest.fixture
def heard(tmp_path):
    """Hears events of the far end for request 1; returns what this side is told, and whether the stream was ended."""

    def hear(*events):
        told, ended = [], []
        requests = OpenRequests(SimpleNamespace(write=lambda line: told.append(decode_event(line)[0])))
        requests.add(Segment("volume-1", ModelOptions("checkpoint")), 1)
        frames = [Frame(Kind.LINE, 0, encode(event, 1)) for event in events]
        connection = SimpleNamespace(address=SimpleNamespace(host="far"), frames=lambda: frames)
        sender = SimpleNamespace(close=lambda: None)
        folder = tmp_path / "private"
        folder.mkdir()
        Hearing(connection, requests, sender, folder, lambda sentence, kind: ended.append(kind)).run()
        return told, ended

    return hear


def test_a_plain_name_is_a_file_of_the_private_folder(heard, tmp_path):
    told, _ = heard(Result({"labelmap": {"path": "labelmap-1.npy"}}))
    assert told == [Result({"labelmap": {"path": str(tmp_path / "private" / "labelmap-1.npy")}})]


@pytest.mark.parametrize("lie", LIES)
def test_a_result_that_names_another_place_is_not_passed_on(heard, lie, capfd):
    told, ended = heard(Result({"labelmap": {"path": lie}}))
    assert told == []
    assert ended == ["lost"]
    assert "cannot be understood" in capfd.readouterr().err


@pytest.mark.parametrize("lie", LIES)
def test_slices_of_another_place_are_not_passed_on(heard, lie):
    told, ended = heard(Slices(lie, ((0, 1), (0, 1), (0, 1))), Error("x", "failed"))
    assert told == []
    assert ended == ["lost"]
