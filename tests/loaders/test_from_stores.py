"""Loading from an object store: order, pixels and resume are those of the disk."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import store_kit

from imnet_data import Dataset, EvalRecipe, TrainRecipe, open_loader
from imnet_data.errors import ManifestError
from imnet_data.loaders.jpegs import JpegBatch, JpegReader
from imnet_data.loaders.schedule import Order, Schedule
from imnet_data.loaders.source import source_of


@pytest.mark.parametrize("order", ["shuffled", "block", "sequential"])
@pytest.mark.parametrize("cache_size", [None, "150KB"])
def test_batches_from_a_store_are_those_from_the_disk(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    order: Order,
    cache_size: str | None,
) -> None:
    recipe = TrainRecipe(size=32)
    disk = open_loader(made["webdataset"], recipe, batch_size=16, order=order, threads=1)
    store = open_loader(
        in_store["webdataset"],
        recipe,
        batch_size=16,
        order=order,
        threads=1,
        cache=tmp_path,
        cache_size=cache_size,
    )
    with disk, store:
        for epoch, start in ((0, 0), (1, 3), (1, 0)):
            count = 0
            for have, want in zip(
                store.epoch(epoch, start=start), disk.epoch(epoch, start=start), strict=True
            ):
                assert np.array_equal(have.images, want.images)
                assert np.array_equal(have.labels, want.labels)
                assert np.array_equal(have.indices, want.indices)
                count += 1
            assert count == len(disk) - start
        assert store.decoded_by_pillow == disk.decoded_by_pillow >= 1
    if cache_size:
        assert shard_nbytes(tmp_path) <= 150_000


def shard_nbytes(cache: Path) -> int:
    return sum(path.stat().st_size for path in (cache / "shards").rglob("*") if path.is_file())


def test_a_warm_cache_needs_no_shard_from_the_store(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path
) -> None:
    dataset = Dataset.open(in_store["webdataset"], "train", cache=tmp_path)
    for path in dataset.shard_paths:  # fetched when they are taken
        assert path.is_file()
    dataset.close()
    front.requests.clear()
    with open_loader(
        in_store["webdataset"], TrainRecipe(size=32), batch_size=16, threads=1, cache=tmp_path
    ) as loader:
        assert sum(len(batch.labels) for batch in loader.epoch(0)) == 144
    asked = [path for method, path in front.requests if method == "GET"]
    assert asked  # SHA256SUMS: whether it is the same dataset
    assert not [path for path in asked if "SHA256SUMS" not in path]


def test_records_of_a_cold_cache_are_read_by_ranges_of_shards(
    in_store: dict[str, str], front: store_kit.Front, tmp_path: Path
) -> None:
    with open_loader(
        in_store["webdataset"],
        EvalRecipe(crop=32, resize=36),
        split="val",
        batch_size=20,
        threads=1,
        cache=tmp_path,
        cache_size=1,  # nothing fits
    ) as loader:
        front.requests.clear()
        batches = list(loader.epoch(0))
    assert sum(len(batch.labels) for batch in batches) == 20
    gets = [path for method, path in front.requests if method == "GET" and ".tar" in path]
    assert len(gets) == 3  # as val has shards: ranges near each other go together
    assert not list((tmp_path / "shards").glob("*/val/*"))


def test_a_format_without_extents_is_loaded_too_and_one_file_per_record_is_refused(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front, tmp_path: Path
) -> None:
    recipe = TrainRecipe(size=32)
    with (
        open_loader(in_store["lmdb"], recipe, batch_size=16, threads=1, cache=tmp_path) as store,
        open_loader(made["lmdb"], recipe, batch_size=16, threads=1) as disk,
    ):
        pairs = list(zip(store.epoch(0), disk.epoch(0), strict=True))
        assert pairs
        assert all(np.array_equal(have.images, want.images) for have, want in pairs)
    with pytest.raises(ManifestError, match="has a file for each record"):
        Dataset.open(in_store["folder"], cache=tmp_path)


@pytest.mark.parametrize("order", ["shuffled", "block"])
def test_jpegs_for_other_decoders_come_from_a_store_too(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    order: Order,
) -> None:
    def batches(dataset: Dataset) -> list[JpegBatch]:
        schedule = Schedule(count=len(dataset), batch_size=16, order=order)
        with dataset:
            jpegs = JpegReader(
                source_of(dataset), TrainRecipe(size=32), schedule, threads=1, cut=True
            )
            found = list(jpegs.epoch(0))
            jpegs.close()
        return found

    store = batches(Dataset.open(in_store["webdataset"], "train", cache=tmp_path))
    disk = batches(Dataset.open(made["webdataset"], "train"))
    assert store
    assert all(have.images == want.images for have, want in zip(store, disk, strict=True))


def test_a_url_needs_a_cache_and_a_folder_has_none(made: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cache is None, and root is s3://bucket/x; pass the"):
        Dataset.open("s3://bucket/x")
    with pytest.raises(ValueError, match="cache and cache_size are for a URL"):
        Dataset.open(made["lmdb"], cache=tmp_path)


def test_workers_of_a_data_loader_that_fork_read_from_the_store(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front, tmp_path: Path
) -> None:
    """The parent has opened the dataset, and read nothing."""
    pytest.importorskip("torch", reason="a DataLoader needs torch")
    code = (
        "import sys; from torch.utils.data import DataLoader; from imnet_data import Dataset\n"
        "dataset = Dataset.open(sys.argv[1], 'train', cache=sys.argv[2])\n"
        "loader = DataLoader(dataset, batch_size=8, shuffle=True, num_workers=2,\n"
        "    multiprocessing_context='fork', collate_fn=lambda records: records)\n"
        "for epoch in range(2):\n"
        "    print(sum(len(record.jpeg) for records in loader for record in records))\n"
    )
    words = [sys.executable, "-W", "ignore", "-c", code, in_store["webdataset"], str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with Dataset.open(made["webdataset"], "train") as dataset:
        assert [int(said) for said in done.stdout.split()] == [
            sum(len(record.jpeg) for record in dataset)
        ] * 2


def test_two_jobs_share_one_cache_and_each_shard_comes_once(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front, tmp_path: Path
) -> None:
    code = (
        "import sys; from imnet_data import Dataset\n"
        "dataset = Dataset.open(sys.argv[1], 'train', cache=sys.argv[2])\n"
        "print(sum(len(record.jpeg) for record in dataset))\n"
    )
    words = [sys.executable, "-c", code, in_store["webdataset"], str(tmp_path)]
    jobs = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [job.communicate(timeout=120)[0] for job in jobs]
    with Dataset.open(made["webdataset"], "train") as dataset:
        assert [int(text) for text in said] == [sum(len(each.jpeg) for each in dataset)] * 3
    gets = [path for method, path in front.requests if method == "GET" and ".tar" in path]
    assert len(gets) == len(set(gets)) == 13


_RANK = """
import sys
from imnet_data import TrainRecipe, open_loader
url, cache, order, out = sys.argv[1:]
with open_loader(
    url, TrainRecipe(size=32), batch_size=8, order=order, cache=cache, threads=1
) as loader:
    numbers = [i for epoch in (0, 1) for batch in loader.epoch(epoch) for i in batch.indices]
    assert loader.schedule.world_size == 2
    with open(f"{out}/{loader.schedule.rank}", "w") as file:
        print(*numbers, file=file)
"""


@pytest.mark.parametrize("order", ["shuffled", "block"])
def test_ranks_that_torchrun_starts_share_a_cache(
    in_store: dict[str, str],
    made: dict[str, Path],
    front: store_kit.Front,
    tmp_path: Path,
    order: Order,
) -> None:
    """In block order, each block comes once for both."""
    pytest.importorskip("torch", reason="torchrun is torch's")
    program = tmp_path / "rank.py"
    program.write_text(_RANK)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words += [str(program), in_store["webdataset"], str(tmp_path / "cache"), order, str(tmp_path)]
    subprocess.run(words, check=True, timeout=120, capture_output=True)
    said = [(tmp_path / str(rank)).read_text().split() for rank in range(2)]
    with open_loader(
        made["webdataset"], TrainRecipe(size=32), batch_size=16, order=order, threads=1
    ) as loader:
        want = sorted(i for e in (0, 1) for b in loader.epoch(e) for i in b.indices.tolist())
    assert sorted(map(int, said[0] + said[1])) == want
    shards = [each for each in front.ranges if ".tar" in each[0]]
    assert shards
    if order == "block":
        assert len(shards) == len(set(shards))


def test_without_a_url_nothing_of_it_is_imported(made: dict[str, Path]) -> None:
    code = (
        "import sys; from imnet_data import TrainRecipe, open_loader\n"
        "open_loader(sys.argv[1], TrainRecipe(size=32), batch_size=8).close()\n"
        "print(*sys.modules)"
    )
    words = [sys.executable, "-c", code, str(made["webdataset"])]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert not {"obstore", "imnet_data.storage.cloud"} & set(done.stdout.split())
