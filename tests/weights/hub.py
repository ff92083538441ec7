"""A web server on loopback that has files, and faults that a hub or a mirror may have."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Hub:
    """What it serves and how, and what it was asked."""

    files: dict[str, bytes]
    address: str = ""
    cut_after: int | None = None
    """Bytes of the first answer after which it hangs up."""
    silent: bool = False
    """It says nothing, until it is closed."""
    hangs_after: int | None = None
    """Bytes after which it says nothing more."""
    ranges: bool = True
    status: int = 0
    """Answer everything with this."""
    length: bool = True
    """Whether it says how long a file is."""
    moved_to: str = ""
    raw: bytes = b""
    """Answer with these bytes, which are no HTTP."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Paths and their Range."""
    closing: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Hub]:
    hub = Hub(files)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            wanted = self.headers.get("Range", "")
            hub.asked.append((self.path, wanted))
            if hub.silent:
                hub.closing.wait(30)
                return
            if hub.raw:
                self.wfile.write(hub.raw)
                return
            if hub.moved_to:
                self.send_response(302)
                self.send_header("Location", hub.moved_to + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = hub.files.get(self.path.lstrip("/"))
            if body is None or hub.status:
                self.send_error(hub.status or 404)
                return
            begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.ranges else 0
            if begin >= len(body) > 0:
                self.send_error(416)
                return
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            rest = body[begin:]
            if hub.length:
                self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if hub.cut_after is not None and len(hub.asked) == 1:
                rest = rest[: hub.cut_after]
            if hub.hangs_after is not None:
                self.wfile.write(rest[: hub.hangs_after])
                self.wfile.flush()
                hub.closing.wait(30)
                return
            self.wfile.write(rest)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.closing.set()
            server.shutdown()
            thread.join()
