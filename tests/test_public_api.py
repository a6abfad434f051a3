"""One convention for one idea: paths, progress, workers, splits and their errors."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imnet_data
from imnet_data import Dataset, Difference, EvalRecipe, Options, Step, TrainRecipe
from imnet_data.bench import rounds
from imnet_data.bench.converted import converted
from imnet_data.bench.options import BenchOptions
from imnet_data.demo import demo
from imnet_data.errors import SplitError
from imnet_data.evaluation import Model, Protocol, evaluate
from imnet_data.inspection import summary
from imnet_data.machine import pool
from imnet_data.sources import open_sources
from imnet_data.sources.split_names import SPLITS
from imnet_data.synth import synth, synth_from_folder

RECIPE = EvalRecipe(resize=20, crop=16)
BENCH = BenchOptions(batch_size=2, size=16, seconds=0.01, repeats=1)


class Named:
    """What is like a path and is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return str(self._path)


def silent_model(classes: tuple[str, ...]) -> Model:
    def logits(images: np.ndarray[Any, Any], recipe: EvalRecipe) -> np.ndarray[Any, Any]:
        return np.zeros((len(images), len(classes)))

    return Model("zeros", logits, classes)


def evaluated(root: Any, **options: Any) -> object:
    classes = Dataset.open(root).classes
    protocol = Protocol(recipes=(RECIPE,))
    return evaluate(silent_model(classes), root, protocol=protocol, **options)


@pytest.fixture
def small(tarballs: Path, tmp_path: Path) -> Path:
    """A dataset of a few records that is damaged in one file."""
    imnet_data.convert(tarballs, tmp_path / "small", options=Options(limit=8))
    (tmp_path / "small" / "labels.tsv").unlink()
    return tmp_path / "small"


@pytest.mark.parametrize("kind", [str, Named])
def test_a_path_is_a_str_or_like_a_path_in_every_call(
    kind: Callable[[Path], Any], tarballs: Path, small: Path, tmp_path: Path
) -> None:
    found = imnet_data.verify(kind(small))
    assert {difference.file for difference in found} == {"labels.tsv"}
    assert imnet_data.repair(kind(small), kind(tarballs), found) == ["labels.tsv"]
    assert imnet_data.verify(kind(small)) == []
    imnet_data.convert(kind(tarballs), kind(tmp_path / "one"), options=Options(limit=8))
    imnet_data.convert([kind(tarballs)], kind(tmp_path / "two"), options=Options(limit=8))
    assert imnet_data.compare(kind(tmp_path / "one"), kind(tmp_path / "two")) == []
    assert Dataset.open(kind(small)).root == small
    planned = imnet_data.dry_run(kind(tarballs), kind(tmp_path / "not"), options=Options(limit=8))
    assert "to be written: train: 8 records, of 148, shuffled, 1 shard" in planned
    assert not (tmp_path / "not").exists()
    with imnet_data.open_loader(kind(small), RECIPE, batch_size=4) as loader:
        assert next(loader.epoch(0)).images.shape == (4, 16, 16, 3)
    assert summary.summary(kind(small)).format == "webdataset"
    assert summary.record(kind(small), "0")[0].index == 0
    assert evaluated(kind(small))
    rounds.measure(kind(small), BENCH)
    with converted(kind(small), ["folder"]) as (root,):
        assert Dataset.open(root).about.format == "folder"
    synth(kind(tmp_path / "synth"), class_count=2, images_per_class=1, mean_nbytes=2_000)
    open_sources(kind(tmp_path / "synth")).close()
    with Dataset.open(small) as dataset:
        (tmp_path / "images").mkdir()
        (tmp_path / "images" / "a.jpg").write_bytes(dataset[0].jpeg)
    synth_from_folder(
        kind(tmp_path / "of"), kind(tmp_path / "images"), class_count=1, images_per_class=1
    )


def test_training_takes_what_is_like_a_path_and_reports_steps(small: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    from imnet_data.evaluation import load_model
    from imnet_data.loaders.torch import ImageNet
    from imnet_data.train import loop, recipes

    recipe = recipes.get("demo").with_epochs(1).with_batch_size(4)
    seen: list[Step] = []
    loop.train(Named(small), Named(tmp_path / "run"), recipe, progress=seen.append)
    assert [step.message[:9] for step in seen] == ["epoch 1/1", "epoch 1/1"]
    assert seen[-1].done == seen[-1].total > 0
    assert load_model(recipe.model, checkpoint=Named(tmp_path / "run" / loop.WEIGHTS))
    assert ImageNet(Named(small)).root == small


def test_every_long_call_reports_its_steps_the_same_way(
    tarballs: Path, small: Path, tmp_path: Path
) -> None:
    damage = [Difference("labels.tsv", "is gone")]
    calls: dict[str, Callable[..., object]] = {
        "convert": lambda **progress: imnet_data.convert(
            tarballs, tmp_path / "out", options=Options(limit=8), **progress
        ),
        "verify": lambda **progress: imnet_data.verify(small, **progress),
        "verify tarballs": lambda **progress: imnet_data.verify(tarballs, **progress),
        "repair": lambda **progress: imnet_data.repair(small, tarballs, damage, **progress),
        "compare": lambda **progress: imnet_data.compare(small, tmp_path / "out", **progress),
        "synth": lambda **progress: synth(tmp_path / "synth", mean_nbytes=2_000, **progress),
        "evaluate": lambda **progress: evaluated(small, **progress),
        "bench": lambda **progress: rounds.measure(small, BENCH, **progress),
        "open": lambda **progress: open_sources(tarballs, **progress).close(),
    }
    for name, call in calls.items():
        seen: list[Step] = []
        call(progress=seen.append)
        assert seen or name == "open", name
        assert all(isinstance(step, Step) for step in seen), name
        assert all(0 <= step.done <= step.total or not step.total for step in seen), name


def test_workers_are_one_for_each_core_by_default_and_checked() -> None:
    calls = (imnet_data.convert, imnet_data.verify, imnet_data.repair, imnet_data.read_back, demo)
    for call in calls:
        assert inspect.signature(call).parameters["workers"].default is None
    assert pool.worker_count(None) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("workers", [0, -1, 2.0, "2", 100_000, True])
def test_wrong_workers_are_refused_before_anything_is_done(
    workers: Any, tarballs: Path, small: Path, tmp_path: Path
) -> None:
    for call in (
        lambda: imnet_data.convert(tarballs, tmp_path / "out", workers=workers),
        lambda: imnet_data.verify(small, workers=workers),
        lambda: imnet_data.repair(small, tarballs, [], workers=workers),
        lambda: imnet_data.read_back(small, workers=workers),
    ):
        with pytest.raises(ValueError, match=r"^workers is .*; allowed are integers from 1 to 1,0"):
            call()
    assert not (tmp_path / "out").exists()


def test_an_unknown_split_is_the_same_error_everywhere(
    tarballs: Path, small: Path, tmp_path: Path
) -> None:
    # a dataset has some splits; of a source, all that it could have are known by name
    known = {small: "train, val, test", tarballs: ", ".join(SPLITS)}
    for where, call in (
        (small, lambda: Dataset.open(small, "dev")),
        (small, lambda: imnet_data.open_loader(small, TrainRecipe(), batch_size=1, split="dev")),
        (small, lambda: imnet_data.convert(small, tmp_path / "out", split="dev")),
        (tarballs, lambda: imnet_data.convert(tarballs, tmp_path / "out", split="dev")),
        (tarballs, lambda: open_sources(tarballs, split="dev")),
        (small, lambda: evaluated(small, split="dev")),
        (small, lambda: summary.record(small, "0", "dev")),
    ):
        with pytest.raises(SplitError) as caught:
            call()
        assert str(caught.value) == f"{where}: no split 'dev'; there are {known[where]}"
    assert not (tmp_path / "out").exists()


def test_training_without_a_train_split_is_that_error_too(
    made: dict[str, Path], tmp_path: Path
) -> None:
    pytest.importorskip("torch", reason="training needs torch")
    from imnet_data.train import loop, recipes

    imnet_data.convert(made["lmdb"], tmp_path / "val", split="val")
    with pytest.raises(SplitError, match=r"no split 'train'; there are val$"):
        loop.train(tmp_path / "val", tmp_path / "run", recipes.get("demo"))
    assert not (tmp_path / "run").exists()


def test_the_errors_are_one_tree_that_errors_py_shows() -> None:
    from imnet_data import errors

    shown = errors.__doc__ or ""
    classes = {name: one for name, one in vars(errors).items() if isinstance(one, type)}
    assert "Stopped" in classes
    for name, one in classes.items():
        assert issubclass(one, errors.ImnetError)
        assert name in shown, name
