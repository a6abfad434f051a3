import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset import index_file
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImnetError, ManifestError
from imnet_data.html import charts
from imnet_data.inspection import page, summary, text

TENCH, GOLDFISH = "n01440764", "n01443537"


def image_bytes(size, *, seed=0, kind="JPEG", mode="RGB"):
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BILINEAR).convert(mode)
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Seven images of train and two of val, in two classes; one is a PNG, one CMYK."""
    root = tmp_path_factory.mktemp("source")
    for split, wnid, number in [
        *(("train", TENCH, number) for number in range(5)),
        *(("train", GOLDFISH, number) for number in range(2)),
        ("val", TENCH, 7),
        ("val", GOLDFISH, 8),
    ]:
        path = root / split / wnid / f"{wnid}_{number}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = "PNG" if (wnid, number) == (TENCH, 3) else "JPEG"
        mode = "CMYK" if (wnid, number) == (GOLDFISH, 1) else "RGB"
        size = 40 + 10 * number, 30 + number
        path.write_bytes(image_bytes(size, seed=number, kind=kind, mode=mode))
    return root


def converted(source, out, *, format="webdataset", jpeg="original", **options):
    chosen = Options(classes=("found",), jpeg=jpeg, **options)
    convert([source], out, format=format, options=chosen, workers=1)
    return out


@pytest.fixture(scope="module")
def root(source, tmp_path_factory):
    return converted(source, tmp_path_factory.mktemp("dataset") / "out", shard_nbytes=9000)


@pytest.fixture
def own_root(root, tmp_path):
    return shutil.copytree(root, tmp_path / "copy")


def test_a_seekable_record_is_saved_as_it_was_published(source, tmp_path):
    root = converted(source, tmp_path / "out", jpeg="seekable")
    told, content = summary.record(root, f"{TENCH}_1")
    assert told.stored_as == "seekable"
    assert told.is_sound
    assert content == (source / "train" / TENCH / f"{TENCH}_1.JPEG").read_bytes()
    assert told.nbytes > len(content)


def invoke(*arguments):
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def edit_index(root, split, column, row, value):
    path = root / split / "index.npy"
    found = index_file.open_index(path)
    changed = getattr(found, column).copy()
    changed[row] = value
    path.write_bytes(index_file.to_bytes(found._replace(**{column: changed}), version=2))


class Elements(HTMLParser):
    """The elements of a page, by tag."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def __getitem__(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_summary_counts_what_is_there(root):
    told = summary.summary(root)
    train, val = told.splits["train"], told.splits["val"]
    with Dataset.open(root, "train") as dataset:
        records = list(dataset)
    assert told.format == "webdataset"
    assert not told.is_ilsvrc2012
    assert (train.record_count, train.class_count, train.unlabelled_count) == (7, 2, 0)
    assert (val.record_count, val.class_count, val.unlabelled_count) == (2, 2, 0)
    assert train.records_per_class is not None
    assert (train.records_per_class.minimum, train.records_per_class.maximum) == (2, 5)
    assert (train.order, val.order) == ("shuffled", "sorted")
    assert train.fixes == {"cmyk-to-rgb": 1, "png-to-jpeg": 1}
    assert train.images_nbytes == sum(len(record.jpeg) for record in records)
    assert train.shard_count == len(list((root / "train").glob("*.tar"))) > 1
    assert train.shards_nbytes == sum(p.stat().st_size for p in (root / "train").glob("*.tar"))


def test_spreads_are_numbers_of_the_records(root):
    train = summary.summary(root).splits["train"]
    with Dataset.open(root, "train") as dataset:
        sizes = [Image.open(io.BytesIO(record.jpeg)).size for record in dataset]
        nbytes = sorted(len(record.jpeg) for record in dataset)
    widths = sorted(width for width, _ in sizes)
    spread = train.width
    assert spread is not None
    assert train.height is not None
    assert (spread.minimum, spread.median, spread.maximum) == (widths[0], widths[3], widths[6])
    assert train.height.maximum == max(height for _, height in sizes)
    assert (train.image_nbytes.minimum, train.image_nbytes.median) == (nbytes[0], nbytes[3])


def test_source_is_summed_up_without_converting(source):
    told = summary.summary(source)
    assert told.format is None
    assert told.splits["train"].record_count == 7
    assert told.splits["train"].class_count == 2
    assert told.splits["train"].digest is None
    sizes = [path.stat().st_size for path in (source / "train").rglob("*.JPEG")]
    assert told.splits["train"].images_nbytes == sum(sizes)
    assert text.text(told).startswith("source, not converted: 9 images")


def test_place_without_images_is_one_line_and_exit_status_1(tmp_path):
    with pytest.raises(ImnetError):
        summary.summary(tmp_path)
    result = invoke(tmp_path)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1


def test_index_with_a_label_out_of_range_is_refused(own_root):
    edit_index(own_root, "train", "label", 3, 2**30)
    with pytest.raises(ManifestError, match=r"train/index\.npy: damaged .*imnet-data verify"):
        summary.summary(own_root)


def test_text_shows_digests_counts_and_fixes(root):
    told = summary.summary(root)
    result = invoke(root)
    assert result.exit_code == 0
    assert told.splits.keys() == {"train", "val"}
    for split in told.splits.values():
        assert split.digest in result.stdout
    assert re.search(r"^images +7 +2$", result.stdout, re.MULTILINE)
    assert re.search(r"^fixed: png-to-jpeg +1 +-$", result.stdout, re.MULTILINE)
    assert "9 images of 2 classes" in result.stdout


def test_json_is_one_document_of_the_same_numbers(root):
    document = json.loads(invoke(root, "--json").stdout)
    told = summary.summary(root)
    assert document["splits"]["train"]["digest"] == told.splits["train"].digest
    width = told.splits["train"].width
    assert width is not None
    assert document["splits"]["train"]["width"]["median"] == width.median
    assert document["options"]["shard_nbytes"] == 9000


@pytest.mark.parametrize("format", ["webdataset", "folder", "lmdb", "beton", "tfrecord"])
def test_record_is_found_by_key_in_any_split_and_saved_as_published(source, tmp_path, format):
    root = converted(source, tmp_path / "out", format=format)
    key = f"{GOLDFISH}_8"
    published = (source / "val" / GOLDFISH / f"{key}.JPEG").read_bytes()
    saved = tmp_path / "saved.jpg"
    result = invoke(root, "--record", key, "--save", saved)
    assert result.exit_code == 0, result.output
    assert saved.read_bytes() == published
    assert hashlib.sha256(published).hexdigest() in result.stdout
    assert re.search("^label +sorted 1, tf 2, ilsvrc 450, 22k ", result.stdout, re.MULTILINE)
    assert "goldfish, Carassius auratus" in result.stdout
    assert "sound" in result.stdout


@pytest.mark.parametrize("format", ["webdataset", "lmdb", "folder"])
def test_record_has_the_hash_of_what_is_stored_and_of_what_is_saved(made, tmp_path, format):
    with Dataset.open(made[format], "train") as dataset:
        row = int(np.argmax(dataset.index.stored))  # one that is seekable, where there is one
        stored = hashlib.sha256(dataset.stored(row)).hexdigest()
    result = invoke(made[format], "--record", row, "--split", "train", "--save", tmp_path / "a.jpg")
    saved = hashlib.sha256((tmp_path / "a.jpg").read_bytes()).hexdigest()
    assert (stored != saved) == (format != "folder")
    assert f"\nsha256         {saved} (of the " in result.stdout
    assert f"\nstored_sha256  {stored} (of the bytes in the shard)\n" in result.stdout
    told = json.loads(invoke(made[format], "--record", row, "--split", "train", "--json").stdout)
    assert (told["sha256"], told["stored_sha256"]) == (saved, stored)


def test_record_is_found_by_position(root):
    first = json.loads(invoke(root, "--record", "0", "--json").stdout)
    last = json.loads(invoke(root, "--record", "-1", "--split", "val", "--json").stdout)
    with Dataset.open(root, "train") as dataset:
        assert first["key"] == dataset[0].key
    assert (first["split"], first["index"], first["offset"]) == ("train", 0, 1536)
    assert (last["split"], last["index"], last["key"]) == ("val", 1, f"{GOLDFISH}_8")


def test_record_tells_what_was_fixed(source, root):
    told, content = summary.record(root, f"{TENCH}_3")
    published = (source / "train" / TENCH / f"{TENCH}_3.JPEG").read_bytes()
    assert (told.fix, told.published_nbytes) == ("png-to-jpeg", len(published))
    assert told.nbytes == len(content) != len(published)
    assert "png-to-jpeg (as published: " in text.record_text(told)


@pytest.mark.parametrize(("which", "text"), [("nobody", "'nobody' in train, val"), ("7", "has 7")])
def test_record_that_is_not_there_is_wrong_usage(root, which, text):
    result = invoke(root, "--record", which)
    assert result.exit_code == 2
    assert text in result.stderr


def test_damaged_record_is_told_and_not_saved(own_root, tmp_path):
    told, content = summary.record(own_root, f"{TENCH}_0")
    shard = own_root / told.shard
    damaged = bytearray(shard.read_bytes())
    damaged[told.offset + len(content) // 2] ^= 1
    shard.write_bytes(damaged)
    saved = tmp_path / "saved.jpg"
    result = invoke(own_root, "--record", f"{TENCH}_0", "--save", saved)
    assert result.exit_code == 1
    assert "DAMAGED" in result.stdout
    assert f"{TENCH}_0 in {shard} at {told.offset}: is damaged" in result.stderr
    assert not saved.exists()


def test_pixels_are_checked_but_not_saved_as_a_jpeg(source, tmp_path):
    root = converted(source, tmp_path / "out", format="beton", raw=1.0)
    told, pixels = summary.record(root, f"{TENCH}_0")
    assert (told.stored_as, told.is_sound, len(pixels)) == ("pixels", True, 40 * 30 * 3)
    result = invoke(root, "--record", f"{TENCH}_0", "--save", tmp_path / "saved.jpg")
    assert result.exit_code == 1
    assert "stored as pixels" in result.stderr


def test_page_loads_nothing(root):
    elements = Elements(page.page(root))
    sources = [attributes["src"] for _, attributes in elements.found if "src" in attributes]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert {a["href"][0] for _, a in elements.found if "href" in a} == {"#"}
    assert not elements["script"] + elements["link"] + elements["iframe"]
    assert "://" not in page.page(root)


def test_page_shows_every_record_of_a_small_dataset(root):
    html = page.page(root)
    images = Elements(html)["img"]
    shown = [Image.open(io.BytesIO(base64.b64decode(i["src"].split(",")[1]))) for i in images]
    assert len(shown) == 7 + 2 + 2  # those fixed are shown again
    assert max(image.width for image in shown) == 120
    assert all(image["alt"] for image in images)
    for split in ("train", "val"):
        with Dataset.open(root, split) as dataset:
            assert all(f'<span class="key">{record.key}</span>' in html for record in dataset)
            assert dataset.index.digest in html
    assert html.count('<figure class="fixed">') == 4
    assert "tench, Tinca tinca" in html


def test_page_of_stored_pixels_shows_the_images(source, root, tmp_path):
    raw = converted(source, tmp_path / "out", format="beton", raw=1.0)
    assert len(Elements(page.page(raw))["img"]) == 11


def test_page_shows_the_error_of_an_image_that_cannot_be_decoded(own_root):
    told, content = summary.record(own_root, f"{TENCH}_0")
    shard = own_root / told.shard
    damaged = bytearray(shard.read_bytes())
    damaged[told.offset : told.offset + len(content)] = bytes(len(content))
    shard.write_bytes(damaged)
    shown = page.page(own_root)
    assert shown.count("cannot be shown: ") == 1
    assert len(Elements(shown)["img"]) == 10


def test_same_dataset_gives_the_same_page_wherever_it_lies(root, own_root):
    assert page.page(root) == page.page(own_root)


@pytest.mark.parametrize(("bad", "text"), [("keep", "kept: png"), ("skip", "skipped: png")])
def test_bad_images_that_were_not_fixed_are_told(source, tmp_path, bad, text):
    root = converted(source, tmp_path / "out", bad=bad)
    assert re.search(rf"^{text} +1 +-$", invoke(root).stdout, re.MULTILINE)
    assert text in page.page(root)


def test_image_that_claims_to_be_huge_is_not_decoded(own_root):
    told, content = summary.record(own_root, f"{TENCH}_0")
    size = content.index(b"\xff\xc0") + 5
    shard = own_root / told.shard
    damaged = bytearray(shard.read_bytes())
    damaged[told.offset + size : told.offset + size + 4] = b"\xff" * 4
    shard.write_bytes(damaged)
    shown = page.page(own_root)
    assert shown.count("cannot be shown: it has more pixels than allowed: 65535 x 65535") == 1


def test_page_escapes_what_a_dataset_says(own_root):
    hostile = '"><script>alert(1)</script>'
    edit_index(own_root, "train", "key", 0, b"<b>bold</b>")
    path = own_root / "dataset.json"
    document = json.loads(path.read_text())
    document["sources"][0]["name"] = hostile
    document["splits"]["train"]["fixes"] = {"<i>": 1, f"z{hostile}": 1}
    path.write_text(json.dumps(document))
    shown = page.page(own_root)
    elements = Elements(shown)
    assert not elements["script"] + elements["b"] + elements["i"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "&lt;b&gt;bold&lt;/b&gt;" in shown


def test_html_is_written_beside_the_text(root, tmp_path):
    result = invoke(root, "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    assert (tmp_path / "page.html").read_text() == page.page(root)
    nowhere = invoke(root, "--html", tmp_path / "no" / "page.html")
    assert nowhere.exit_code == 1
    assert "No such file or directory" in nowhere.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--save", "x.jpg"), ("--split", "val"), ("--record", "0", "--html", "x.html")],
)
def test_options_that_do_not_belong_together_are_wrong_usage(root, arguments):
    assert invoke(root, *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("nbytes", "written"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (999_499, "999 KB"),
        (999_500, "1.0 MB"),
        (147_897_477_120, "148 GB"),
        (2 * 10**15, "2000 TB"),
    ],
)
def test_sizes_are_written_in_decimal_units(nbytes, written):
    assert text.nbytes_text(nbytes) == written


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_bars_of_a_histogram_hold_every_value(values):
    svg = charts.histogram(np.array(values), title="t", counted="images", show=str)
    bars = re.findall(r"<title>[^<]*: ([\d,]+)</title>", svg)
    assert sum(int(bar.replace(",", "")) for bar in bars) == len(values)
    heights = [float(height) for height in re.findall(r'class="bar"[^>]* height="([^"]*)"', svg)]
    assert len(heights) <= 31
    assert min(heights) > 0


@given(st.lists(st.tuples(st.integers(1, 65535), st.integers(1, 65535)), min_size=1, max_size=50))
def test_cells_of_a_plane_hold_every_point(points):
    columns, rows = np.array(points, np.uint16).T
    svg = charts.density(columns, rows, titles=("width", "height"))
    cells = re.findall(r"<title>[^<]*: ([\d,]+)</title>", svg)
    assert sum(int(cell.replace(",", "")) for cell in cells) == len(points)
