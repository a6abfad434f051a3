"""Sources in object stores and behind web servers: the same bytes as from the local files."""

import gzip
import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import source_layouts
import store_kit

from imnet_data.conversion.convert import convert, dry_run
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError, SourceError, SplitError, StorageError
from imnet_data.inspection.summary import summary
from imnet_data.record import Record
from imnet_data.sources import open_sources
from imnet_data.sources.in_order import in_order
from imnet_data.sources.listing import Listings
from imnet_data.storage import apart
from imnet_data.verification.verify import verify

SHARDS = Options(shard_nbytes=64_000, boxes=True)
QUERY = "X-Amz-Credential=of-nobody&X-Amz-Signature=a-signature-of-nobody"


def read_all(place: str | Path, *, spool: Path | None = None) -> dict[str, list[Record]]:
    """Return all records of a source, as a conversion reads them."""
    source = open_sources(place, spool=spool)
    try:
        splits = source.splits.items()
        found = {split: list(in_order(kept, range(len(kept)))) for split, kept in splits}
    finally:
        source.close()
    assert found
    assert all(found.values())
    return found


def sums(out: Path) -> str:
    return (out / "SHA256SUMS").read_text()


@pytest.fixture
def store(front: store_kit.Front, monkeypatch: pytest.MonkeyPatch) -> Iterator[store_kit.Front]:
    """A server in front of the store, of which requests that fail are soon tried again."""
    quick = "from imnet_data.storage import cloud; cloud._WAIT_SECONDS = 0.001; "
    monkeypatch.setattr(apart, "_SERVE", quick + apart._SERVE)
    monkeypatch.setattr("imnet_data.storage.cloud._WAIT_SECONDS", 0.001)
    apart._reader.cache_clear()  # the one of another test has another port
    yield front
    apart._reader.cache_clear()


@pytest.fixture(scope="module")
def url(tarballs: Path, store_port: int) -> str:
    """The official files in a store; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store_kit.environment(store_port).items():
            patch.setenv(name, value)
        store_kit.upload(tarballs, "s3://bucket/tarballs")
    return "s3://bucket/tarballs"


@pytest.fixture(scope="module")
def expected(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SHA256SUMS of what is converted from the local files."""
    out = tmp_path_factory.mktemp("expected") / "out"
    convert(tarballs, out, options=SHARDS, workers=2)
    return sums(out)


def test_official_tarballs_in_a_store_give_the_same_dataset_in_few_requests(
    url: str, store: store_kit.Front, tmp_path: Path, expected: str
) -> None:
    convert(url, tmp_path / "out", options=SHARDS, workers=2)
    assert sums(tmp_path / "out") == expected
    said = (tmp_path / "out/dataset.json").read_text()
    train = {"name": "ILSVRC2012_img_train.tar", "nbytes": 583_680}
    assert train in json.loads(said)["sources"]
    assert "s3:" not in said
    of_train = [path for method, path in store.requests if "img_train" in path and method == "GET"]
    assert len(of_train) < 148  # fewer than images


def test_faults_that_pass_change_nothing(
    url: str, store: store_kit.Front, tmp_path: Path, expected: str
) -> None:
    kinds = itertools.cycle(["503", "reset", "short"])

    def choose(method: str, path: str, number: int) -> str:
        return next(kinds) if method == "GET" and "tarballs/" in path and number % 4 == 1 else ""

    store.fault = faults = store_kit.Some(choose)
    convert(url, tmp_path / "out", options=SHARDS, workers=2)
    assert sums(tmp_path / "out") == expected
    assert faults.done.total() > 6


@pytest.mark.parametrize(
    ("what", "said", "listed"),
    [
        ("short", r"cannot be reached after \d attempts \(it sent ", False),
        ("short", r"cannot be reached after \d attempts \(it sent ", True),
        ("403", "access is denied; check the credentials", True),
    ],
)
def test_a_fault_that_stays_is_one_line_that_names_the_object_and_no_secret(
    url: str, store: store_kit.Front, tmp_path: Path, what: str, said: str, listed: bool
) -> None:
    is_converting = threading.Event()

    def fault(method: str, path: str) -> str:
        is_here = "img_train" in path and method == "GET"
        return what if is_here and (not listed or is_converting.is_set()) else ""

    def progress(step: object) -> None:
        if "convert" in str(step):
            is_converting.set()

    store.fault = fault
    with pytest.raises(StorageError, match=said) as caught:
        convert(url, tmp_path / "out", options=SHARDS, workers=2, progress=progress)
    text = str(caught.value)
    assert "s3://bucket/tarballs/ILSVRC2012_img_train.tar" in text
    assert len(text.splitlines()) == 1
    assert store_kit.SECRET not in text
    assert store_kit.KEY not in text
    assert not (tmp_path / "out/dataset.json").exists()


def whole_of_train(ranges: list[tuple[str, int, int]]) -> bool:
    """Return whether the train archive was read on behind the piece that a look begins with."""
    return any("img_train" in path and start == 256 << 10 for path, start, _ in ranges)


def test_an_object_that_was_replaced_between_stop_and_continuation_is_refused(
    tarballs: Path, store: store_kit.Front, tmp_path: Path, expected: str
) -> None:
    mine, out = f"s3://bucket/{tmp_path.name}", tmp_path / "out"
    store_kit.upload(tarballs, mine)
    seen = []

    def fault(method: str, path: str) -> str:
        if "img_train" in path and method == "GET" and list(out.rglob("journals/*.json")):
            seen.append(path)
            return "403"
        return ""

    store.fault = fault
    with pytest.raises(StorageError, match="access is denied"):
        convert(mine, out, options=SHARDS, workers=1)
    assert seen
    assert list(out.rglob("journals/*.json"))  # something was done
    store.fault = lambda method, path: ""
    train = tmp_path / "changed/ILSVRC2012_img_train.tar"
    train.parent.mkdir()
    train.write_bytes((tarballs / train.name).read_bytes() + bytes(512))
    store_kit.upload(train.parent, mine)
    with pytest.raises(ConvertError, match=r"source has changed since then: s3://bucket/.*_train"):
        convert(mine, out, options=SHARDS, workers=1)
    store_kit.upload(tarballs, mine)
    assert whole_of_train(store.ranges)  # to list it
    store.ranges.clear()
    convert(mine, out, options=SHARDS, workers=1)
    assert sums(out) == expected
    assert store.ranges
    assert not whole_of_train(store.ranges)


def test_shards_of_other_tools_a_tar_of_tars_a_gzipped_one_and_a_zip_are_read_in_a_store(
    tarballs: Path, store: store_kit.Front, tmp_path: Path
) -> None:
    local = tmp_path / "local"
    jpegs = dict(source_layouts.train_tar_files())
    inner = {name: content for name, content in jpegs.items() if name.endswith(".tar")}
    source_layouts.write_tar(local / "whole/winter21_whole.tar", inner)
    records = {
        f"{number:03d}.{suffix}": content
        for number, record in enumerate(source_layouts.train())
        for suffix, content in (("jpg", record.jpeg), ("cls", record.wnid.encode()))
    }
    first, second = dict(list(records.items())[:4]), dict(list(records.items())[4:])
    source_layouts.write_tar(local / "shards/train-0000.tar", first)
    source_layouts.write_tar(local / "shards/train-0001.tar", second)
    source_layouts.kaggle_zip(local / "zip")
    (local / "gzip").mkdir()
    packed = gzip.compress((tarballs / "ILSVRC2012_img_val.tar").read_bytes())
    (local / "gzip/ILSVRC2012_img_val.tar.gz").write_bytes(packed)
    store_kit.upload(local, f"s3://bucket/{tmp_path.name}")
    for name in ("whole", "shards", "gzip", "zip"):
        assert read_all(f"s3://bucket/{tmp_path.name}/{name}") == read_all(local / name)
    gzipped, spool = f"s3://bucket/{tmp_path.name}/gzip", tmp_path / "spool"
    assert read_all(gzipped, spool=spool) == read_all(local / "gzip")
    assert (spool / "ILSVRC2012_img_val.tar").read_bytes() == gzip.decompress(packed)
    with closing(open_sources(f"s3://bucket/{tmp_path.name}/zip")) as source:
        store.requests.clear()
        assert source.splits["train"][0]
        assert len(store.requests) == 4
    together = threading.Barrier(2)  # each shard is asked for while the other one is

    def fault(method: str, path: str) -> str:
        together.wait(60)
        return ""

    with closing(open_sources(f"s3://bucket/{tmp_path.name}/shards")) as source:
        store.fault = fault
        assert len(source.identities()) == 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "there is no such object; check the URL"),
        ("images", r"no archives with official names \(found train/\); .*, and pass that"),
        ("train-0.parquet", "tar and zip archives are read, .* copy it to a disk, and pass that"),
        ("val_data.npz", "tar and zip archives are read, .* copy it to a disk, and pass that"),
    ],
)
def test_what_is_not_read_in_a_store_is_refused_in_one_line(
    store: store_kit.Front, tmp_path: Path, name: str, said: str
) -> None:
    local = tmp_path / "local"
    path = local / "images/train/n01440764/n01440764_1.JPEG"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff\xd8\xff")
    (local / "train-0.parquet").write_bytes(b"PAR1")
    (local / "val_data.npz").write_bytes(b"PK")
    store_kit.upload(local, f"s3://bucket/{tmp_path.name}")
    place = f"s3://bucket/{tmp_path.name}/{name}"
    with pytest.raises((SourceError, StorageError), match=f"^{place}: .*{said}$"):
        open_sources(place)


def test_a_kept_listing_that_is_damaged_is_one_line(
    url: str, store: store_kit.Front, tmp_path: Path
) -> None:
    name = f"{url}/ILSVRC2012_img_val.tar"
    listings = Listings(tmp_path / "kept", tmp_path / "kept")
    open_sources(name, listings=listings).close()
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_bytes(kept.read_bytes()[:-9])
    with pytest.raises(SourceError, match=f"^{kept}: is damaged; remove it, and run again$"):
        open_sources(name, listings=listings)
    kept.unlink()
    open_sources(name, listings=listings).close()


def test_a_kept_listing_of_shards_is_of_the_labels_that_were_asked_for(
    store: store_kit.Front, tmp_path: Path
) -> None:
    jpeg = source_layouts.train()[0].jpeg
    source_layouts.write_tar(tmp_path / "local/train-0.tar", {"1.jpg": jpeg, "1.cls": b"1"})
    place = f"s3://bucket/{tmp_path.name}"
    store_kit.upload(tmp_path / "local", place)
    listings = Listings(tmp_path / "kept", tmp_path / "kept")
    found = []
    for labels in ("sorted", "ilsvrc", "sorted"):
        with closing(open_sources(place, labels=labels, listings=listings)) as source:
            found += source.splits["train"].listing.wnids.tolist()
    assert found[0] == found[2] == b"n01443537"
    assert found[1] not in found[::2]
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_folder_in_a_store_is_what_it_is_on_a_disk(
    url: str, tarballs: Path, store: store_kit.Front, tmp_path: Path
) -> None:
    val = tarballs / "ILSVRC2012_img_val.tar"
    local = tmp_path / "local"
    source_layouts.write_tar(
        local / "mixed/imagenet-r.tar", {"imagenet-r/n01440764/art_0.jpg": b"\xff\xd8\xff"}
    )
    (local / "mixed/data").mkdir()
    (local / "mixed/data" / val.name).hardlink_to(val)
    (local / "val").mkdir()
    (local / "val" / val.name).hardlink_to(val)
    there = f"s3://bucket/{tmp_path.name}"
    store_kit.upload(local, there)
    for root in (str(local), there):
        with closing(open_sources(f"{root}/mixed")) as source:
            assert [*source.splits] == ["val"]
            assert any("imagenet-r.tar was left out" in note for note in source.notes)
        with pytest.raises(
            SplitError, match=f"^{root}/val: no split 'train'; .*; found {val.name}"
        ):
            open_sources(f"{root}/val", split="train")


class _Web(BaseHTTPRequestHandler):
    """Sends files and, unless the path says so, ranges of them; for GET with a signature only."""

    protocol_version = "HTTP/1.1"
    root: Path

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.send_error(403)

    def do_GET(self) -> None:
        place, _, query = self.path.partition("?")
        if query != QUERY:
            self.send_error(403)
            return
        whole = (self.root / place.rpartition("/")[2]).read_bytes()
        begin, end = 0, len(whole)
        asked = self.headers.get("Range", "")
        if asked and "whole" not in place:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last) + 1, len(whole))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(whole)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(end - begin))
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.wfile.write(whole[begin:end])


@pytest.fixture
def web(tarballs: Path) -> Iterator[str]:
    """The URL of a web server that has the tarballs."""
    handler = type("Handler", (_Web,), {"root": tarballs})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_signed_urls_of_tarballs_are_converted_and_never_shown(
    web: str,
    tarballs: Path,
    store: store_kit.Front,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = ("ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
    caplog.set_level("INFO", "imnet_data")
    urls = [f"{web}/sets/{name}?{QUERY}" for name in names]
    lines = dry_run(urls, tmp_path / "out")
    convert(urls, tmp_path / "out", workers=1)
    convert([tarballs / name for name in names], tmp_path / "expected", workers=1)
    assert sums(tmp_path / "out") == sums(tmp_path / "expected")
    said = "\n".join([*lines, caplog.text, (tmp_path / "out/dataset.json").read_text()])
    assert f"{web}/sets/ILSVRC2012_img_val.tar" in said
    assert "to list its files, its 102,400 bytes are read once, in 1 request or" in said
    assert "of-nobody" not in said


def test_a_web_server_without_ranges_or_access_is_refused_in_one_line(
    web: str, store: store_kit.Front
) -> None:
    url = f"{web}/whole/ILSVRC2012_img_val.tar"
    with pytest.raises(StorageError, match=f"^{url}: its server sends no parts .* pass that$"):
        open_sources(f"{url}?{QUERY}")
    with pytest.raises(StorageError, match=f"^{url}: access is denied") as caught:
        open_sources(f"{url}?X-Amz-Signature=another-of-nobody")
    assert "of-nobody" not in str(caught.value)


def test_a_dataset_in_a_store_is_converted_without_fetching_its_shards(
    in_store: dict[str, str], made: dict[str, Path], store: store_kit.Front, tmp_path: Path
) -> None:
    lines = dry_run(in_store["webdataset"], tmp_path / "out", format="lmdb")
    assert any("train: 148 images of 4 classes" in line for line in lines)
    convert(in_store["webdataset"], tmp_path / "same", format="lmdb")
    assert sums(tmp_path / "same") == sums(made["lmdb"])
    other = Options(order="sorted")
    convert(in_store["webdataset"], tmp_path / "other", format="lmdb", options=other)
    convert(made["webdataset"], tmp_path / "local", format="lmdb", options=other)
    assert sums(tmp_path / "other") == sums(tmp_path / "local")


def test_a_dataset_of_single_files_in_a_store_is_refused_with_the_copy_to_make(
    in_store: dict[str, str], store: store_kit.Front, tmp_path: Path
) -> None:
    with pytest.raises(ConvertError, match=r"^s3://bucket/folder: has a file .* `imnet-data copy`"):
        convert(in_store["folder"], tmp_path / "out")


def test_sources_in_a_store_are_inspected_and_official_files_verified(
    url: str, tarballs: Path, store: store_kit.Front
) -> None:
    found, local = summary(url), summary(tarballs)
    assert found.splits == local.splits
    assert found.sources == local.sources
    name = "ILSVRC2012_img_val.tar"
    differences = [each.what for each in verify(f"{url}/{name}")]
    assert differences == [each.what for each in verify(tarballs / name)]
    assert any("has 102400 bytes, the official file has " in what for what in differences)
    assert {each.file for each in verify(url)} == {each.file for each in verify(tarballs)}
