"""A folder and an object store do the same with the same calls."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_kit

import imnet_data
from imnet_data.errors import StorageError
from imnet_data.storage.apart import StoreApart
from imnet_data.storage.place import located, open_place
from imnet_data.storage.store import Store, open_store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "folder":
        return open_store(tmp_path)
    request.getfixturevalue("front")
    return open_store(f"s3://bucket/{tmp_path.name}")


def test_small_objects_are_written_listed_and_removed(store: Store) -> None:
    assert store.names() == []
    store.put("a/two", b"22")
    store.put("a/b/one", b"")
    store.put("ab", b"333")
    assert store.names() == ["a/b/one", "a/two", "ab"]
    assert store.names("a") == ["a/b/one", "a/two"]
    assert store.names("nothing") == []
    assert store.nbytes("a/b/one") == 0
    assert store.read("a/two", 0, 2) == b"22"
    store.remove("a/two")
    store.remove("a/two")
    assert store.nbytes("a/two") is None
    assert store.names() == ["a/b/one", "ab"]


def test_the_identity_of_an_object_changes_with_its_bytes(store: Store, tmp_path: Path) -> None:
    path = tmp_path.parent / f"{tmp_path.name}-content"
    path.write_bytes(b"first")
    assert store.identity("name") is None
    store.write("name", path)
    first = store.identity("name")
    assert first is not None
    assert store.identity("name") == first
    store.put("name", b"other")
    assert store.identity("name") not in (None, first)


def test_a_url_that_cannot_be_one_of_a_store_is_refused_by_name() -> None:
    with pytest.raises(StorageError, match=r"^s3:/bucket/x: is a URL that was made a Path"):
        open_store(Path("s3://bucket/x"))
    with pytest.raises(ValueError, match=r"^paths has a URL that was made a Path"):
        imnet_data.convert(Path("s3://bucket/x"), "out")
    with pytest.raises(
        StorageError, match=r"^s3://bucket/x: its URL has a query, which s3:// "
    ) as it:
        open_store("s3://bucket/x?X-Amz-Signature=signature")
    assert "signature" not in str(it.value)


def test_a_bucket_that_is_not_there_is_one_line(front: store_kit.Front) -> None:
    missing = open_store("s3://no-such-bucket/x")
    for act in (missing.names, lambda: missing.put("name", b"")):
        with pytest.raises(StorageError, match=r"^s3://no-such-bucket/x/(name)?: there is no such"):
            act()


@pytest.mark.parametrize("name", ["a b+c", "a%20b+c"])
def test_a_url_may_have_percent_signs_in_the_folder_and_in_the_name(
    front: store_kit.Front, tmp_path: Path, name: str
) -> None:
    StoreApart(f"s3://bucket/{tmp_path.name}/a b+c").put("a b+c.tar", b"content")
    place = located(f"s3://bucket/{tmp_path.name}/{name}/{name}.tar")
    assert open_place(place).read(0, 9) == b"content"


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[str]:
    """A web server that can only be read from; its URL."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            return f"{tmp_path}{path}"

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_a_web_server_does_not_do_is_one_line(web_server: str, tmp_path: Path) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: the extra `cloud`")
    store = open_store(web_server)
    (tmp_path / "there").write_bytes(b"content")
    assert store.nbytes("there") == 7
    assert store.identity("there")
    for act in (store.names, lambda: store.put("name", b"")):
        with pytest.raises(
            StorageError, match=r"/(name)?: the store does not do that \(status 501"
        ):
            act()
