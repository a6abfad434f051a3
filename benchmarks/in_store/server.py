"""An S3 server on this machine, and what counts the bytes that it sends."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

KEY = "key-of-nobody"


class Link:
    """Passes on what is sent to `port`, and counts what comes back."""

    def __init__(self, behind):
        self.nbytes = 0
        self._behind = behind
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self._server.accept()
            server = socket.create_connection(("127.0.0.1", self._behind))
            for arguments in ((client, server, 0), (server, client, 1)):
                threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source, target, counts):
        try:
            while content := source.recv(1 << 20):
                self.nbytes += counts * len(content)
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # of a client that has seen enough
            target.close()


class Counting:
    """What a server has been asked for, and has sent."""

    def __init__(self, link, log):
        self.link, self._log = link, log

    def now(self):
        """Return bytes and requests."""
        return self.link.nbytes, self._log.read_bytes().count(b" HTTP/1.1")


def environment(port):
    """Return what every client reads: the store's address and its keys."""
    url = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY, "AWS_REGION": "us-east-1"}
    places = {"AWS_ENDPOINT_URL": url, "S3_ENDPOINT_URL": url}
    return os.environ | keys | places


@contextmanager
def serving(folder):
    """Run a server with one empty bucket, and return what counts."""
    (folder / "data" / "bucket").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1", "--port", str(port)]
    known = os.environ | {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": KEY}
    log = folder / "log"
    with log.open("wb") as output:
        words += ["--data-dir", str(folder / "data")]
        server = subprocess.Popen(words, env=known, stdout=output, stderr=output)
    try:
        while not _answers(port):
            if server.poll() is not None:
                raise SystemExit(f"nanio has ended: {log.read_text()}")
            time.sleep(0.05)
        yield Counting(Link(port), log)
    finally:
        server.kill()
        server.wait()


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
