"""Images that a policy refuses are named together, and what is done by then stays done."""

import io

import pytest
from click.testing import CliRunner
from PIL import Image

from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.errors import ImageError
from imnet_data.verification.verify import verify

WNID = "n01440764"
COUNT = 60


def file(number, mode="RGB", kind="JPEG"):
    content = io.BytesIO()
    Image.new(mode, (20, 16 + number), number).save(content, kind)
    return content.getvalue()


def bad(count):
    """Images by their number: of three kinds, one after the other."""
    kinds = (b"<html>404</html>", file(1, "CMYK"), file(2, kind="PNG"))
    return {2 * number: kinds[number % 3] for number in range(count)}


def tree(root, images):
    folder = root / "source" / "train" / WNID
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        path = folder / f"{WNID}_{number:02}.JPEG"
        path.write_bytes(images.get(number, file(number)))
    return root / "source"


def run(source, out, *more):
    words = ["convert", str(source), str(out), "--classes", "found", "--shard-size", "8KB"]
    return CliRunner().invoke(main, [*words, "--order", "sorted", "--workers", "2", *more])


def test_all_that_is_refused_is_in_one_error_with_reasons_and_counts(tmp_path):
    done = run(tree(tmp_path, bad(9)), tmp_path / "out", "--bad", "error")
    assert done.exit_code == 1
    first, *lines, last = done.stderr.strip().splitlines()
    assert first.startswith("Error: 9 images are refused (3 cmyk, 3 png, 3 undecodable); leave ")
    reasons = (
        "cannot be decoded: it is a html, not a JPEG",
        "is a CMYK JPEG",
        "is a PNG, not a JPEG",
    )
    assert lines == [
        f"  train: {WNID}_{2 * number:02} {reasons[number % 3]}" for number in range(9)
    ]
    assert last == f"  all are in {tmp_path / 'out' / '.part' / 'refused.txt'}"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".part"}


def test_many_are_counted_and_listed_in_a_file(tmp_path):
    done = run(tree(tmp_path, bad(27)), tmp_path / "out", "--bad", "error")
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 22
    path = tmp_path / "out" / ".part" / "refused.txt"
    assert lines[-1] == f"  7 more; all are in {path}"
    listed = path.read_text().splitlines()
    assert [line.split()[1] for line in listed] == [f"{WNID}_{2 * n:02}" for n in range(27)]
    assert [line.strip() for line in lines[1:-1]] == listed[:20]


def test_fix_refuses_only_what_cannot_be_fixed(tmp_path):
    done = run(tree(tmp_path, bad(6)), tmp_path / "out")
    first, *lines, _ = done.stderr.strip().splitlines()
    assert first.startswith("Error: 2 images are refused (2 undecodable); ")
    assert [line.split()[1] for line in lines] == [f"{WNID}_00", f"{WNID}_06"]


@pytest.mark.parametrize("format", ["webdataset", "lmdb", "beton", "tfrecord", "folder"])
def test_the_list_does_not_depend_on_the_format(tmp_path, format):
    source = tree(tmp_path, bad(6))
    options = Options(bad="error", classes=("found",), order="sorted")
    with pytest.raises(ImageError) as caught:
        convert([source], tmp_path / "out", format=format, options=options)
    lines = str(caught.value).splitlines()
    assert [line.split()[1] for line in lines[1:-1]] == [f"{WNID}_{2 * n:02}" for n in range(6)]


@pytest.mark.parametrize("policy", ["skip", "keep"])
def test_the_way_on_that_the_error_shows_works(tmp_path, policy):
    source, out = tree(tmp_path, bad(6)), tmp_path / "out"
    assert f"`--bad {policy} --force`" in run(source, out).stderr
    assert run(source, out, "--bad", policy, "--force").exit_code == 0
    assert verify(out) == []
    assert not (out / ".part").exists()


def test_shards_without_a_refused_image_are_not_written_again(tmp_path):
    source, out = tree(tmp_path, {0: file(1, "CMYK")}), tmp_path / "out"
    assert run(source, out, "--bad", "error").exit_code == 1
    shards = {path: path.stat() for path in sorted((out / ".part" / "train").glob("*.tar"))}
    assert len(shards) > 5
    again = run(source, out, "--bad", "error")
    assert f"train: {WNID}_00 is a CMYK JPEG; leave such images out" in again.stderr
    for path, before in shards.items():
        after = path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
