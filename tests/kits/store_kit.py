"""An S3 server for tests, and a server in front of it that does what networks do."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

_UPLOAD = """
import sys
from pathlib import Path
from imnet_data.storage.store import open_store
store, root = open_store(sys.argv[1]), Path(sys.argv[2])
for path in sorted(root.rglob("*")):
    if path.is_file():
        store.write(path.relative_to(root).as_posix(), path)
"""
KEY, SECRET = "test-key-id-of-nobody", "a-secret-that-no-message-may-have"
BUCKET = "bucket"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(port: int) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
    }


@contextmanager
def s3_server(folder: Path) -> Iterator[int]:
    """Run an S3 server with one empty bucket; return its port."""
    pytest.importorskip("nanio", reason="the S3 server nanio is not installed")
    pytest.importorskip("obstore", reason="obstore is not installed: the extra `cloud`")
    (folder / BUCKET).mkdir(parents=True)
    port = free_port()
    words = [sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder)]
    words += ["--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
    known = os.environ | {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
    server = subprocess.Popen(
        words, env=known, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None, "the S3 server has ended"
                assert time.monotonic() < deadline, "the S3 server does not answer"
                time.sleep(0.02)
        yield port
    finally:
        server.kill()
        server.wait()


def upload(folder: Path, url: str) -> None:
    """Copy the files of a folder, in a process of its own: pytest must stay one that can fork."""
    subprocess.run([sys.executable, "-c", _UPLOAD, url, str(folder)], check=True)


Fault = Callable[[str, str], str]  # method and path of a request -> what is done to it, or ""


class Some:
    """A fault: of each request and how often it has come, `choose` says what is done to it."""

    def __init__(self, choose: Callable[[str, str, int], str]) -> None:
        self._choose, self._lock = choose, threading.Lock()
        self._counts = Counter[tuple[str, str]]()
        self.done = Counter[str]()  # how often what was done

    def __call__(self, method: str, path: str) -> str:
        with self._lock:
            self._counts[method, path] += 1
            what = self._choose(method, path, self._counts[method, path])
            self.done[what] += bool(what)
            return what


class NoAnswer:
    """A fault: requests of a method for a path get no answer until `end` is called."""

    def __init__(self, method: str, path: str) -> None:
        self._method, self._path = method, path
        self.asked, self._is_over = threading.Event(), threading.Event()

    def __call__(self, method: str, path: str) -> str:
        if method == self._method and self._path in path:
            self.asked.set()
            self._is_over.wait(60)
            return "503"
        return ""

    def end(self) -> None:
        self._is_over.set()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that is killed, or has seen enough, resets its connection."""


class Gauge:
    """How many there are now, and were at most at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self._lock = threading.Lock()

    def add(self, more: int) -> None:
        with self._lock:
            self.now += more
            self.most = max(self.most, self.now)


class Front:
    """A server in front of another: it passes requests on, and does to them what `fault` says.

    503, 403: answers so. reset: closes the connection in the middle of the body. slow: sends the
    body a little at a time. short: sends, and announces, fewer bytes. byte: changes one of them;
    of an upload, on its way to the store. etag: answers with another ETag. late: lists nothing.

    Each answer comes `latency_seconds` late, and what is sent at a time shares a link that carries
    `nbytes_per_second`.
    """

    def __init__(self, behind: int) -> None:
        self.fault: Fault = lambda method, path: ""
        self.latency_seconds, self.nbytes_per_second = 0.0, float("inf")
        self.requests: list[tuple[str, str]] = []
        self.sent_nbytes = 0  # of bodies
        self.ranges: list[tuple[str, int, int]] = []  # path, first byte, and the one after the last
        self.connections = Gauge()
        self.under_way = Gauge()  # requests
        self._link = threading.Lock()
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def setup(self) -> None:
                super().setup()
                front.connections.add(1)

            def finish(self) -> None:
                front.connections.add(-1)
                super().finish()

            def do_any(self) -> None:
                front.requests.append((self.command, self.path))
                if matched := re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                    front.ranges.append((self.path, int(matched[1]), int(matched[2]) + 1))
                front.pass_on(self, behind)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def pass_on(self, request: BaseHTTPRequestHandler, behind: int) -> None:
        self.under_way.add(1)
        time.sleep(self.latency_seconds)
        self.under_way.add(-1)  # before its answer, after which there may be another
        what = self.fault(request.command, request.path)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        if what in ("503", "403"):
            request.send_response(int(what))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if what == "byte" and body:
            body = body[:-1] + bytes([body[-1] ^ 2])
        with closing(http.client.HTTPConnection("127.0.0.1", behind, timeout=60)) as connection:
            connection.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
        headers = dict(answer.getheaders())
        self._answer(request, answer.status, headers, content, what)

    @contextmanager
    def holding(self, is_held: Callable[[str, str], bool]) -> Iterator[None]:
        """Hold requests back, by method and path, from when the first has come until the end."""
        has_come, goes_on = threading.Event(), threading.Event()

        def hold(method: str, path: str) -> str:
            if not goes_on.is_set() and is_held(method, path):
                has_come.set()
                goes_on.wait()
            return ""

        self.fault = hold
        try:
            assert has_come.wait(60), "the request that is waited for does not come"
            yield
        finally:
            goes_on.set()

    def _answer(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        content: bytes,
        what: str,
    ) -> None:
        if what == "byte" and content:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if what == "late":
            content = re.sub(rb"<Contents>.*</Contents>", b"", content)
            headers = {name: text for name, text in headers.items() if name != "content-length"}
            headers["Content-Length"] = str(len(content))
        if what == "etag":
            headers = {name: '"x"' if name.lower() == "etag" else headers[name] for name in headers}
        if what == "short" and content:
            content = content[: len(content) // 2]
            for name in [*headers]:
                if name.lower() == "content-length":
                    headers[name] = str(len(content))
        request.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                request.send_header(name, value)
        request.end_headers()
        if request.command == "HEAD":
            return
        self.sent_nbytes += len(content)
        with self._link:
            time.sleep(len(content) / self.nbytes_per_second)
        if what == "reset":
            request.wfile.write(content[: len(content) // 2])
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        step = max(1, len(content) // 5) if what == "slow" else max(1, len(content))
        for start in range(0, len(content), step):
            request.wfile.write(content[start : start + step])
            request.wfile.flush()
            time.sleep(0.05 * (what == "slow"))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
