"""A store that another process reads: each answer comes when it is there, and waiting can end."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import store_kit

from imnet_data.errors import StorageError
from imnet_data.storage import apart
from imnet_data.storage.apart import StoreApart


def test_an_answer_does_not_wait_for_that_of_another_thread(
    in_store: dict[str, str], front: store_kit.Front
) -> None:
    free = threading.Event()
    front.fault = lambda method, path: "" if "SHA256SUMS" not in path or free.wait(60) else "503"
    store = StoreApart(in_store["webdataset"])
    with ThreadPoolExecutor(2) as threads:
        try:
            first = threads.submit(store.nbytes, "SHA256SUMS")
            deadline = time.monotonic() + 60
            while not front.requests:
                assert time.monotonic() < deadline, "it has not asked"
                time.sleep(0.005)
            assert threads.submit(store.nbytes, "dataset.json").result(timeout=30)
            assert not first.done()
        finally:
            free.set()
        assert first.result(timeout=30)


def test_after_the_other_process_was_killed_the_same_call_starts_another(
    in_store: dict[str, str], front: store_kit.Front
) -> None:
    store = StoreApart(in_store["webdataset"])
    assert store.nbytes("dataset.json")
    killed = apart._reader(os.getpid()).process
    killed.kill()
    killed.wait()
    with pytest.raises(StorageError, match=r"was killed; run the same again$"):
        store.nbytes("dataset.json")
    assert store.nbytes("dataset.json")
