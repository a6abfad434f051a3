"""The demo in an object store: a local S3 server is converted into, verified, and loaded from."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments, formats
from imnet_data.conversion.convert import convert
from imnet_data.demo import TARBALLS, take
from imnet_data.errors import FormatError, MissingExtra, StorageError
from imnet_data.machine import files
from imnet_data.machine.progress import Step, no_progress
from imnet_data.synth import synth
from imnet_data.verification.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from imnet_data.arguments import StrPath
    from imnet_data.machine.progress import Progress

BUCKET = "imnet-demo"
SERVED, CACHE = "store", "cache"  # folders of the demo's own
_START_SECONDS = 60.0
_LOAD = """
import hashlib, json, sys, time
from imnet_data import TrainRecipe, open_loader
loader = open_loader(sys.argv[1], TrainRecipe(size=96), batch_size=32, cache=sys.argv[2])
epochs = []
for _ in range(2):
    began, digest, count = time.monotonic(), hashlib.sha256(), 0
    for batch in loader.epoch(0):
        digest.update(batch.images.tobytes())
        count += len(batch.labels)
    epochs.append([count, time.monotonic() - began, digest.hexdigest()])
print(json.dumps(epochs))
"""


class Row(NamedTuple):
    """What was made in one format."""

    format: str
    url: str
    record_count: int
    convert_seconds: float
    verify_seconds: float
    first_epoch: float  # images per second, from the store
    second_epoch: float  # the same again, from the cache
    pixels_sha256: str  # of all images of an epoch of train


def demo_store(
    directory: StrPath, *, workers: int | None = None, progress: Progress = no_progress
) -> list[Row]:
    """Make tarballs in `directory`, convert them into a store, verify there, and load from it.

    The store is an S3 server that is started for it, and serves a folder within `directory`. Each
    format is made that a loader reads from a store. What an earlier demo left there is made again.

    Raises:
        MissingExtra: if the server, or what reads from stores, is not installed.
        OutputError: if the folder has other things in it.
        ImnetError: if a dataset is not sound, or gives other pixels than the one before.
    """
    for package, extra in (("obstore", "cloud"), ("nanio", "test")):
        if find_spec(package) is None:
            raise MissingExtra(
                f"the demo in a store needs {package}, which is not installed; in a clone of "
                f"imnet-data, run: pip install '.[{extra}]'"
            )
    directory = arguments.path("directory", directory)
    take(directory)
    for name in (SERVED, CACHE):
        files.remove(directory / name)
    synth(directory / TARBALLS, progress=progress)
    names = [name for name in formats.FORMATS if formats.get(name).record_file is None]
    with _server(directory / SERVED):
        rows = [_row(directory, name, workers, progress) for name in names]
    for row in rows[1:]:
        if row.pixels_sha256 != rows[0].pixels_sha256:
            raise FormatError(f"{row.url}: gives other pixels than {rows[0].url}")
    return rows


def _row(directory: Path, name: str, workers: int | None, progress: Progress) -> Row:
    from imnet_data.storage.cloud import isolated

    url = f"s3://{BUCKET}/{name}"
    began = time.monotonic()
    about = convert([directory / TARBALLS], url, format=name, workers=workers, progress=progress)
    converted = time.monotonic()
    differences = verify(url, workers=workers, progress=progress)
    if differences:
        raise FormatError(f"{url}/{differences[0].file}: {differences[0].what}")
    verified = time.monotonic()
    progress(Step(f"load {name}", 0, 1))
    # in a process of its own, so that this one can fork the workers of the next conversion
    first, second = json.loads(isolated(_LOAD, url, str(directory / CACHE)))
    if first[2] != second[2]:
        raise FormatError(f"{url}: gives other pixels from the cache than from the store")
    return Row(
        format=name,
        url=url,
        record_count=sum(split.record_count for split in about.splits.values()),
        convert_seconds=converted - began,
        verify_seconds=verified - converted,
        first_epoch=first[0] / first[1],
        second_epoch=second[0] / second[1],
        pixels_sha256=first[2],
    )


@contextmanager
def _server(folder: Path) -> Iterator[None]:
    """Run an S3 server with one bucket, which the environment names meanwhile."""
    (folder / BUCKET).mkdir(parents=True)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    words = [sys.executable, "-m", "nanio", "serve", "--data-dir", str(folder), "--no-access-log"]
    server = subprocess.Popen(
        [*words, "--host", "127.0.0.1", "--port", str(port)],
        env=os.environ | {"NANIO_ACCESS_KEY": key, "NANIO_SECRET_KEY": secret},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    named = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
    }
    before = {name: os.environ[name] for name in named if name in os.environ}
    os.environ.update(named)
    try:
        _wait_for(server, port)
        yield
    finally:
        for name in named:
            del os.environ[name]
        os.environ.update(before)
        server.kill()
        server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise StorageError(f"the S3 server does not answer at port {port}; run the same again")
