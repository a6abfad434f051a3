"""The tar of webdataset against the tools that it is for: tarfile, tar, webdataset, DALI, timm."""

import io
import json
import subprocess
import tarfile
from pathlib import Path
from types import ModuleType

import kit
import pytest
from PIL import Image

from imnet_data.formats import Sample, ShardSummary, webdataset


def _tarfile_bytes(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o444
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def _members(samples: list[Sample]) -> dict[str, bytes]:
    members = {}
    for sample in samples:
        key = sample.record.key
        about = {"key": key, "wnid": sample.record.wnid, "label": sample.label}
        about |= {"width": sample.width, "height": sample.height}
        if sample.record.boxes:
            about["boxes"] = [list(box) for box in sample.record.boxes]
        members[f"{key}.cls"] = str(sample.label).encode()
        members[f"{key}.jpg"] = sample.record.jpeg
        members[f"{key}.json"] = json.dumps(about, sort_keys=True, separators=(",", ":")).encode()
    return members


@pytest.fixture
def split(samples: list[Sample], tmp_path: Path) -> Path:
    """A split of three tars with all side files."""
    summaries = []
    for index, (start, stop) in enumerate([(0, 3), (3, 6), (6, 7)]):
        name = webdataset.shard_name("val", index, 3)
        kit.write(webdataset, tmp_path / name, samples[start:stop])
        nbytes = (tmp_path / name).stat().st_size
        summaries.append(ShardSummary(name, stop - start, nbytes))
    for side, content in webdataset.split_side_files("val", summaries).items():
        (tmp_path / side).write_bytes(content)
    return tmp_path


def test_the_bytes_are_those_of_pythons_tarfile(samples: list[Sample], tmp_path: Path) -> None:
    kit.write(webdataset, tmp_path / "shard", samples)
    assert (tmp_path / "shard").read_bytes() == _tarfile_bytes(_members(samples))


def test_gnu_tar_lists_the_members_in_order(samples: list[Sample], tmp_path: Path) -> None:
    kit.write(webdataset, tmp_path / "shard", samples)
    listed = subprocess.run(
        ["tar", "tf", tmp_path / "shard"], check=True, capture_output=True, text=True
    )
    assert listed.stdout.splitlines() == list(_members(samples))
    assert listed.stderr == ""


def test_a_tar_that_webdataset_wrote_is_walked(samples: list[Sample], tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    with wds.TarWriter(str(tmp_path / "shard"), encoder=False, mtime=0) as writer:
        for sample in samples:
            label = str(sample.label).encode()
            writer.write({"__key__": sample.record.key, "jpg": sample.record.jpeg, "cls": label})
    walked = kit.walk(webdataset, tmp_path / "shard")
    assert [(stored.key, stored.label, stored.image) for stored in walked] == [
        (sample.record.key, sample.label, sample.record.jpeg) for sample in samples
    ]


_LEFT_OPEN = "ignore::pytest.PytestUnraisableExceptionWarning"  # webdataset leaves files open


@pytest.mark.filterwarnings(_LEFT_OPEN)
def test_webdataset_reads_it(split: Path, samples: list[Sample]) -> None:
    wds = pytest.importorskip("webdataset", reason="webdataset is not installed")
    urls = [str(path) for path in sorted(split.glob("*.tar"))]
    read = list(wds.WebDataset(urls, shardshuffle=False))
    assert [item["__key__"] for item in read] == [sample.record.key for sample in samples]
    assert [item["jpg"] for item in read] == [sample.record.jpeg for sample in samples]
    assert [int(item["cls"]) for item in read] == [sample.label for sample in samples]
    assert [json.loads(item["json"])["wnid"] for item in read] == [s.record.wnid for s in samples]


def test_dali_reads_it_by_the_index(split: Path, samples: list[Sample]) -> None:
    tars = [str(path) for path in sorted(split.glob("*.tar"))]
    jpegs, labels, _ = kit.dali_batch(
        "webdataset",
        7,
        paths=tars,
        index_paths=[tar.replace(".tar", ".idx") for tar in tars],
        ext=["jpg", "cls", "json"],
        missing_component_behavior="error",
    )
    assert jpegs == [sample.record.jpeg for sample in samples]
    assert [int(label) for label in labels] == [sample.label for sample in samples]


def test_the_index_is_that_of_dalis_own_tool(split: Path, tmp_path: Path) -> None:
    wds2idx = pytest.importorskip("wds2idx", reason="nvidia-dali is not installed")
    tars = sorted(split.glob("*.tar"))
    assert len(tars) == 3
    for tar in tars:
        with wds2idx.IndexCreator(str(tar), str(tmp_path / "theirs"), verbose=False) as creator:
            creator.create_index()
        assert tar.with_suffix(".idx").read_text() == (tmp_path / "theirs").read_text()


@pytest.mark.filterwarnings(_LEFT_OPEN)
@pytest.mark.parametrize("name", ["val", "validation"])
def test_timm_reads_it_by_its_info(
    timm: ModuleType, split: Path, samples: list[Sample], name: str
) -> None:
    pytest.importorskip("webdataset", reason="webdataset is not installed")
    dataset = timm.data.create_dataset("wds/", root=str(split), split=name)
    assert len(dataset) == 7
    read = list(dataset)
    assert [label for _, label in read] == [sample.label for sample in samples]
    for (image, _), sample in zip(read, samples, strict=True):
        expected = Image.open(io.BytesIO(sample.record.jpeg)).convert("RGB")
        assert image.tobytes() == expected.tobytes()


def test_the_wids_index_counts_records_and_bytes(split: Path) -> None:
    index = json.loads((split / "wids-index.json").read_text())
    assert index["__kind__"] == "wids-shard-index-v1"
    assert [entry["nsamples"] for entry in index["shardlist"]] == [3, 3, 1]
    for entry in index["shardlist"]:
        assert entry["filesize"] == (split / entry["url"]).stat().st_size


@pytest.mark.filterwarnings(_LEFT_OPEN)
def test_wids_reads_it_by_its_index(split: Path, samples: list[Sample], tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="wids imports torch")
    wids = pytest.importorskip("wids", reason="wids is not installed")
    index, cache = str(split / "wids-index.json"), str(tmp_path / "cache")
    dataset = wids.ShardListDataset(index, cache_dir=cache, transformations=[])
    assert len(dataset) == 7
    for position in (6, 0, 3, 5, 1, 4, 2):
        read, sample = dataset[position], samples[position]
        assert read["__key__"] == sample.record.key
        assert read[".jpg"].read() == sample.record.jpeg
        assert int(read[".cls"].read()) == sample.label
        assert json.load(read[".json"])["wnid"] == sample.record.wnid
    dataset.close()
