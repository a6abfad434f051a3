"""`open_loader`: what it opens, and that its batches are the CPU loader's."""

import json
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from process_threads import left_after_a_while, own_threads

import imnet_data as imnet
from imnet_data.errors import SourceError, SplitError
from imnet_data.imagenet.labels import integers
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.synth import synth
from imnet_data.transforms import normalize

TRAIN = imnet.TrainRecipe(size=32)
EVALUATE = imnet.EvalRecipe(resize=36, crop=32)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset of 27 images to train with and 9 to evaluate on."""
    folder = tmp_path_factory.mktemp("opening")
    synth(
        folder / "in",
        class_count=3,
        images_per_class=9,
        val_per_class=3,
        test_count=2,
        mean_nbytes=3000,
    )
    imnet.convert([folder / "in"], folder / "out", format="webdataset", workers=1)
    return folder / "out"


def epoch_of(root, recipe, *, number=0, start=0, **options):
    with imnet.open_loader(root, recipe, **options) as loader:
        return list(loader.epoch(number, start=start))


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for ours, theirs in zip(batch, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def together(ranks):
    return [
        [np.concatenate(part) for part in zip(*step, strict=True)]
        for step in zip(*ranks, strict=True)
    ]


@pytest.mark.parametrize(
    ("recipe", "split", "order", "last"),
    [(TRAIN, "train", "shuffled", "drop"), (EVALUATE, "val", "sequential", "ragged")],
    ids=["train", "evaluate"],
)
def test_the_recipe_says_which_split_comes_and_how(root, recipe, split, order, last):
    with imnet.Dataset.open(root, split) as dataset:
        schedule = Schedule(count=len(dataset), batch_size=4, seed=3, order=order, last=last)
        with CpuLoader(source_of(dataset), recipe, schedule) as loader:
            expected = list(loader.epoch(1))
    assert_same(epoch_of(root, recipe, number=1, batch_size=4, seed=3), expected)


@pytest.mark.parametrize("order", ["shuffled", "block", "sequential"])
@pytest.mark.parametrize("last", ["drop", "wrap", "ragged"])
def test_order_and_last_may_be_others(root, order, last):
    with imnet.Dataset.open(root, "val") as dataset:
        schedule = Schedule(count=len(dataset), batch_size=4, seed=3, order=order, last=last)
        with CpuLoader(source_of(dataset), TRAIN, schedule) as loader:
            expected = list(loader.epoch(1))
    options = {"split": "val", "batch_size": 4, "seed": 3, "order": order, "last": last}
    assert_same(epoch_of(root, TRAIN, number=1, **options), expected)


def test_a_split_may_be_called_by_its_other_names(root):
    for name in ("val", "validation", "valid", "dev"):
        with imnet.open_loader(root, EVALUATE, batch_size=4, split=name) as loader:
            assert loader.dataset is not None
            assert loader.dataset.split == "val"
    with pytest.raises(SplitError, match=r"no split 'small_classes'; there are train, val, test"):
        imnet.open_loader(root, EVALUATE, batch_size=4, split="small_classes")


def test_bad_records_may_be_skipped(root, tmp_path):
    imnet.convert([root], tmp_path / "out", format="folder", workers=1)
    with imnet.Dataset.open(tmp_path / "out", "val") as dataset:
        key = dataset[4].key
    (path,) = (tmp_path / "out" / "val").rglob(f"{key}.*")
    path.write_bytes(bytes(path.stat().st_size))
    options: dict[str, Any] = {"batch_size": 4, "on_error": "skip"}
    with imnet.open_loader(tmp_path / "out", EVALUATE, **options) as loader:
        with pytest.warns(RuntimeWarning, match="1 records were skipped"):
            batches = list(loader.epoch(0))
        assert list(loader.skipped) == [4]
    assert np.concatenate([batch.indices for batch in batches]).tolist() == [
        *range(4),
        *range(5, 9),
    ]
    with pytest.raises(ValueError, match="on_error is 'ignore'; allowed are raise, skip"):
        imnet.open_loader(root, EVALUATE, batch_size=4, on_error="ignore")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match=r"on_error is 'skip'; allowed are raise$"):
        imnet.open_loader(root, EVALUATE, batch_size=4, on_error="skip", decoder="dali")


def test_a_loader_that_is_iterated_says_what_to_write(root):
    with (
        imnet.open_loader(root, TRAIN, batch_size=4) as loader,
        pytest.raises(TypeError, match=r"write `for images, labels, indices in loader.epoch\(0\)`"),
    ):
        next(iter(loader))


def test_three_lines_are_enough(root):
    seen = []
    train = imnet.open_loader(root, imnet.TrainRecipe(size=32), batch_size=8, seed=0)
    for images, labels, _ in train.epoch(0):
        seen.append((images.shape, images.dtype, labels.shape, labels.dtype))
    assert seen == [((8, 32, 32, 3), np.dtype(np.uint8), (8,), np.dtype(np.int64))] * 3
    train.close()


def test_evaluation_on_another_split_takes_each_record_once(root):
    ranks = [
        epoch_of(root, EVALUATE, split="train", batch_size=2, rank=rank, world_size=3)
        for rank in range(3)
    ]
    indices = np.concatenate([batch.indices for rank in ranks for batch in rank])
    np.testing.assert_array_equal(np.sort(indices), np.arange(27))
    assert len({len(rank) for rank in ranks}) == 1


def test_batches_do_not_depend_on_threads(root):
    expected = epoch_of(root, TRAIN, batch_size=4, threads=1)
    for threads in (2, 7, None):
        assert_same(epoch_of(root, TRAIN, batch_size=4, threads=threads), expected)


def test_an_epoch_goes_on_with_other_threads_and_ranks(root):
    """Batch k of a rank begins after k * batch_size * world_size records of the epoch's order."""
    whole = epoch_of(root, TRAIN, number=5, batch_size=8, threads=1)
    rest = epoch_of(root, TRAIN, number=5, start=1, batch_size=8, threads=3)
    assert_same(rest, whole[1:])
    ranks = [
        epoch_of(root, TRAIN, number=5, start=2, batch_size=2, rank=rank, world_size=2)
        for rank in (0, 1)
    ]
    steps = together(ranks)
    pairs = [
        [np.concatenate(part) for part in zip(*steps[first : first + 2], strict=True)]
        for first in (0, 2)
    ]
    assert_same(pairs, whole[1:])


def test_close_ends_the_threads_also_in_mid_epoch(root):
    before = own_threads()
    loader = imnet.open_loader(root, TRAIN, batch_size=4, threads=3)
    next(loader.epoch(0))
    started = own_threads() - before
    assert len(started) >= 3  # and those that read ahead
    loader.close()
    assert not left_after_a_while(started)


def test_ranks_of_one_machine_share_its_cores(root, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    before = own_threads()
    with imnet.open_loader(root, TRAIN, batch_size=4):
        assert len(own_threads() - before) == 1


def test_a_split_that_is_not_there_is_an_error_that_names_those_that_are(root):
    with pytest.raises(SplitError, match=r"no split 'holdout'; there are train, val, test"):
        imnet.open_loader(root, TRAIN, split="holdout", batch_size=4)


def test_objectnet_is_not_opened_to_train_with(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "copy")
    about = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**about, "name": "objectnet"}))
    with pytest.raises(SourceError, match="ObjectNet is a test set: its licence forbids to train"):
        imnet.open_loader(copy, TRAIN, split="val", batch_size=4)
    imnet.open_loader(copy, EVALUATE, batch_size=4).close()


def test_batches_larger_than_the_split_are_an_error(root):
    with pytest.raises(ValueError, match=r"27 records do not fill one batch of 28"):
        imnet.open_loader(root, TRAIN, batch_size=28)


def test_torch_is_asked_for_only_where_a_device_is(root):
    code = f"""
import sys
sys.modules["torch"] = None  # as where it is not installed
import imnet_data as imnet
recipe = imnet.TrainRecipe(size=32)
print(len(list(imnet.open_loader({str(root)!r}, recipe, batch_size=8).epoch(0))))
try:
    imnet.open_loader({str(root)!r}, recipe, batch_size=8, device="cuda")
except imnet.ImnetError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "3\ndevice 'cuda' needs torch, which is not installed; "
        "in a clone of imnet-data, run: pip install '.[torch]'\n"
    )


@pytest.mark.parametrize("decoder", ["cpu", "dali"])
def test_a_device_that_is_not_there_is_an_error_and_leaves_no_thread(root, decoder):
    pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    if decoder == "dali":
        pytest.importorskip("nvidia.dali", reason="DALI is not installed: the extra `dali`")
    before = own_threads()
    with pytest.raises(
        ValueError, match=r"device is 'cuda:99', and torch .* finds \d+ GPUs; choose"
    ):
        imnet.open_loader(root, TRAIN, batch_size=4, device="cuda:99", decoder=decoder)
    assert not left_after_a_while(own_threads() - before)


def test_a_decoder_that_there_is_not_is_an_error(root):
    with pytest.raises(ValueError, match=r"decoder is 'gpu'; allowed are cpu, dali"):
        imnet.open_loader(root, TRAIN, batch_size=4, decoder="gpu")  # type: ignore[call-overload]


def test_a_decoder_that_is_missing_is_named_with_its_pip_line(root):
    pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    code = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "nvidia":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import imnet_data as imnet
try:
    imnet.open_loader({str(root)!r}, imnet.TrainRecipe(), batch_size=8, device="cuda")
except imnet.ImnetError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == (
        "decoder 'dali' needs nvidia-dali, which is not installed; in a clone of imnet-data, run: "
        "pip install '.[dali]' (CUDA 13) or '.[dali-cuda12]' (CUDA 12); "
        "or pass decoder='cpu' (decoded by the CPU, copied to the GPU)\n"
    )


@pytest.mark.gpu
def test_a_gpu_has_exact_pixels_by_name(root):
    torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    expected = epoch_of(root, TRAIN, batch_size=4)
    batches = epoch_of(root, TRAIN, batch_size=4, device="cuda", decoder="cpu")
    for batch, other in zip(batches, expected, strict=True):
        values = normalize(other.images, mean=TRAIN.mean, std=TRAIN.std)
        np.testing.assert_array_equal(batch.images.cpu().numpy(), values)


def test_labels_may_be_of_a_named_label_space(root, tmp_path):
    with imnet.Dataset.open(root, "val") as dataset:
        wnids = np.array(dataset.classes)[dataset.labels].tolist()
    listed = tmp_path / "two.txt"
    listed.write_text(f"{wnids[0]}\n{'n04399382'}\n")
    for space in ("12k", "tf", str(listed)):
        (batch,) = epoch_of(root, EVALUATE, batch_size=9, labels=space)
        integer_of = integers(dataset.classes, space)
        assert batch.labels.tolist() == [integer_of[wnid] for wnid in wnids]
    assert sorted(set(batch.labels.tolist())) == [-1, 0]
    with pytest.raises(ValueError, match="unknown label space '13k'"):
        imnet.open_loader(root, EVALUATE, batch_size=9, labels="13k")
