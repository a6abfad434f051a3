"""Verdicts on images are counted when they are recorded, printed, and shown by `inspect`."""

import io
import json

import pytest
from click.testing import CliRunner
from PIL import Image

from imnet_data.cli import main
from imnet_data.dataset import description
from imnet_data.errors import ManifestError

WNID = "n01440764"


def image(kind="JPEG", mode="RGB", **options):
    file = io.BytesIO()
    Image.new(mode, (40, 30), 90).save(file, kind, **options)
    return file.getvalue()


IMAGES = [image(), image(progressive=True), image(kind="PNG"), image(mode="CMYK")]
IMAGES += [image()[:-2]] * 7 + [b"<p>404</p>"]
VERDICTS = {"other-decoder": 2, "damaged": 7, "undecodable": 1, "not-a-jpeg": 1}


def run(*words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    """The folder of a dataset that keeps what is bad, and what `convert` printed."""
    root = tmp_path_factory.mktemp("verdicts")
    folder = root / "source" / "train" / WNID
    folder.mkdir(parents=True)
    for number, content in enumerate(IMAGES):
        (folder / f"{WNID}_{number:02}.JPEG").write_bytes(content)
    words = ["--bad", "keep", "--classes", "found", "--order", "sorted"]
    return root / "out", run("convert", root / "source", root / "out", *words)


def test_dataset_json_counts_them_and_convert_prints_and_names_them(converted):
    root, printed = converted
    assert description.read(root).splits["train"].verdicts == VERDICTS
    keys = ", ".join(f"{WNID}_{number:02}" for number in range(4, 9))
    command = f"imnet-data inspect {root} --verdict damaged --split train"
    for line in (
        "2 other-decoder: decoded by Pillow\n",
        "1 not-a-jpeg: decoded by Pillow\n",
        f"1 undecodable: no reader decodes it: {WNID}_11\n",
        f"7 damaged: the loaders fill what is missing, other readers may refuse it: {keys} ... "
        f"(`{command}` lists all)\n",
    ):
        assert f"         {line}" in printed


def test_inspect_lists_the_records_of_a_verdict(converted):
    root, _ = converted
    numbers = {"damaged": range(4, 11), "plain": [0], "refused": []}
    for verdict, expected in numbers.items():
        listed = "".join(f"train\t{WNID}_{number:02}\n" for number in expected)
        assert run("inspect", root, "--verdict", verdict) == listed
    assert run("inspect", root, "--verdict", "plain", "--split", "train").startswith("train\t")


def test_inspect_shows_them_in_text_json_and_html(converted, tmp_path):
    root, _ = converted
    rows = dict(line.rsplit(maxsplit=1) for line in run("inspect", root).splitlines() if line)
    assert rows["other-decoder: decoded by Pillow"] == "2"
    document = json.loads(run("inspect", root, "--json"))
    assert document["splits"]["train"]["verdicts"] == VERDICTS
    run("inspect", root, "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("verdict: damaged") >= 7
    assert "undecodable: no reader decodes it" in page


def test_a_record_has_its_verdict(converted):
    root, _ = converted
    for number, verdict in ((0, "plain"), (1, "other-decoder"), (5, "damaged")):
        key = f"{WNID}_{number:02}"
        assert f"\nverdict        {verdict}\n" in run("inspect", root, "--record", key)
        document = json.loads(run("inspect", root, "--record", key, "--json"))
        assert document["verdict"] == verdict


def test_a_dataset_of_plain_images_has_none(converted, tmp_path):
    root, _ = converted
    source = root.parent / "source" / "train" / WNID / f"{WNID}_00.JPEG"
    folder = tmp_path / "source" / "train" / WNID
    folder.mkdir(parents=True)
    (folder / source.name).write_bytes(source.read_bytes())
    run("convert", tmp_path / "source", tmp_path / "out", "--classes", "found")
    assert "verdicts" not in (tmp_path / "out" / "dataset.json").read_text()


def test_an_unknown_verdict_in_dataset_json_is_damage(converted, tmp_path):
    root, _ = converted
    document = json.loads((root / "dataset.json").read_text())
    document["splits"]["train"]["verdicts"] = {"fine": 3}
    (tmp_path / "dataset.json").write_text(json.dumps(document))
    with pytest.raises(ManifestError, match="'fine' is not a verdict on an image"):
        description.read(tmp_path)
