"""A network between two programs that can be slow, or cut without either of them hearing of it."""

import contextlib
import socket
import threading
import time


class Proxy:
    """Forwards connections on `port` of 127.0.0.1 to another port there.

    Attributes:
        forwarded, returned: bytes so far from whoever connects, and to it.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        self._bytes_per_s = 0.0
        self.forwarded = self.returned = 0
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def limit(self, bytes_per_s: float) -> None:
        """Forward no faster, in each direction."""
        self._bytes_per_s = bytes_per_s

    def cut(self) -> None:
        """Forward nothing any more; the connections stay open."""
        self._flows.clear()

    def close(self) -> None:
        self._flows.set()
        for each in (self._listener, *self._sockets):
            # Closing alone would not wake the threads that wait for it.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [near, far]
                threading.Thread(target=self._forward, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._forward, args=(far, near, False), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_there: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self._flows.wait()
                if self._bytes_per_s:
                    time.sleep(len(piece) / self._bytes_per_s)
                sink.sendall(piece)
                if is_there:
                    self.forwarded += len(piece)
                else:
                    self.returned += len(piece)
            sink.shutdown(socket.SHUT_WR)
