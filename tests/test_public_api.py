"""One convention for one idea: paths, progress, workers, splits and their errors."""

import contextlib
import dataclasses
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imnet_data
from imnet_data import Dataset, Difference, EvalRecipe, Options, Progressive, Step, TrainRecipe
from imnet_data.bench import rounds
from imnet_data.bench.converted import converted
from imnet_data.bench.options import BenchOptions
from imnet_data.demo import demo
from imnet_data.errors import SplitError
from imnet_data.evaluation import Model, Protocol, evaluate
from imnet_data.imagenet.split_names import SPLITS
from imnet_data.inspection import summary
from imnet_data.machine import pool
from imnet_data.sources import open_sources
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
    assert any(line.startswith("train: 148 images of 4 classes") for line in planned)
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
    from imnet_data.train.checkpoint import WEIGHTS

    recipe = recipes.get("demo").with_epochs(1).with_batch_size(4)
    seen: list[Step] = []
    loop.train(Named(small), Named(tmp_path / "run"), recipe, progress=seen.append)
    assert [step.message[:9] for step in seen] == ["epoch 1/1", "epoch 1/1"]
    assert seen[-1].done == seen[-1].total > 0
    assert load_model(recipe.model, checkpoint=Named(tmp_path / "run" / WEIGHTS))
    assert ImageNet(Named(small)).root == small


def test_every_long_call_reports_its_steps_the_same_way(
    tarballs: Path, small: Path, tmp_path: Path
) -> None:
    shard = next(small.glob("train/train-000000.*"))
    damage = [Difference(f"train/{shard.name}", "is gone")]
    shard.unlink()
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


WRONG: list[tuple[Callable[..., object], dict[str, Any], str]] = [
    *((TrainRecipe, {"size": size}, "size") for size in (70_000, 0, (224, 224), 224.0, "224")),
    *((EvalRecipe, {"crop": size}, "crop") for size in (70_000, (224, 224), True)),
    (EvalRecipe, {"resize": 256.0}, "resize"),
    (EvalRecipe.timm, {"input_size": 224.0}, "input_size"),
    *((EvalRecipe, {"std": std}, r"std(\[0\])?") for std in ((0, 1, 1), 0.5, (1, 1), ("a", 1, 1))),
    (TrainRecipe, {"std": (0, 1, 1)}, r"std\[0\]"),
    (TrainRecipe, {"mean": (float("nan"), 0, 0)}, r"mean\[0\]"),
    (TrainRecipe, {"scale": 0.5}, "scale"),
    (TrainRecipe, {"flip": True}, "flip"),
    (EvalRecipe, {"view": 1.5}, "view"),
    (EvalRecipe, {"border": 0.5}, "border"),
]


@pytest.mark.parametrize(("make", "wrong", "name"), WRONG)
def test_a_wrong_number_of_a_recipe_is_refused_on_construction(
    make: Callable[..., object], wrong: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name} is .*; allowed are "):
        make(**wrong)


def test_growing_sizes_are_at_least_a_pixel() -> None:
    sizes = {"min_size": 16, "max_size": 24, "start_epoch": 0, "end_epoch": 4}
    with pytest.raises(ValueError, match="multiple is 32; allowed are integers from 1 to 31"):
        Progressive(**sizes)
    assert min(map(Progressive(**sizes, multiple=31).at, range(6))) >= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("batch_size", value) for value in (2.5, 0, "4", True)),
        *(("seed", value) for value in ("a", 1.5, None, True)),
        *(("rank", value) for value in (1, -1, 0.0)),
        *(("world_size", value) for value in (0, 1.5)),
        *(("threads", value) for value in (0, 100_000, 1.5, "2", True)),
        ("decoder", "gpu"),
        ("recipe", "torchvision"),
    ],
)
def test_a_wrong_argument_of_open_loader_is_named(
    name: str, value: Any, made: dict[str, Path]
) -> None:
    arguments = {"root": made["lmdb"], "recipe": RECIPE, "batch_size": 4, name: value}
    with pytest.raises(ValueError, match=f"^{name} is {re.escape(repr(value))}; allowed are "):
        imnet_data.open_loader(**arguments)


def test_a_wrong_epoch_is_refused_when_it_is_asked_for(made: dict[str, Path]) -> None:
    with imnet_data.open_loader(made["lmdb"], RECIPE, batch_size=4) as loader:
        for epoch in (1.5, -1, "1", True):
            with pytest.raises(ValueError, match=r"^epoch is .*; allowed are integers from 0$"):
                loader.epoch(epoch)  # type: ignore[arg-type]
        for start in (1.0, len(loader) + 1):
            with pytest.raises(ValueError, match=r"^start is .*; allowed are integers from 0 to"):
                loader.epoch(0, start=start)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("seed", value) for value in ("a", 1.5, None)),
        *(("class_count", value) for value in (0, 2.0)),
        *(("images_per_class", value) for value in (0, 1.5)),
        ("mean_nbytes", 2e3),
    ],
)
def test_a_wrong_argument_of_synth_is_named(name: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{name} is {re.escape(repr(value))}; allowed are "):
        synth(tmp_path / "out", **{name: value})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 2.5), ("size", 70_000), ("repeats", 0), ("seconds", "1"), ("threads", 4)],
)
def test_a_wrong_option_of_bench_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} is {re.escape(repr(value))}; allowed are "):
        BenchOptions(**{name: value})


def test_a_wrong_argument_of_evaluate_and_train_is_named(small: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^batch_size is 2\.5; allowed are integers from 1$"):
        evaluated(small, batch_size=2.5)
    pytest.importorskip("torch", reason="training needs torch")
    from imnet_data.train import loop, recipes
    from imnet_data.train.execution import Execution

    recipe = recipes.get("demo")
    wrong: dict[str, Any] = {"batch_size": 2.5, "epochs": 1.5, "optimizer": "adam"}
    for name, value in wrong.items():
        with pytest.raises(ValueError, match=f"^{name} is {value!r}; allowed are "):
            dataclasses.replace(recipe, **{name: value})
    with pytest.raises(ValueError, match=r"^seed is 'a'; allowed are integers$"):
        loop.train(small, tmp_path / "run", recipe, seed="a")  # type: ignore[arg-type]
    for name, value in (("log_every", 0), ("accumulate", 1.5), ("precision", "fp8")):
        execution = Execution(**{name: value})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"^{name} is {value!r}; allowed are "):
            loop.train(small, tmp_path / "run", recipe, execution=execution)
    assert not (tmp_path / "run").exists()


def test_an_unknown_split_is_the_same_error_everywhere(
    tarballs: Path, small: Path, tmp_path: Path
) -> None:
    # a dataset has some splits; of a source, all that it could have are known by name
    known = {small: "train, val, test", tarballs: ", ".join(SPLITS)}
    for where, call in (
        (small, lambda: Dataset.open(small, "holdout")),
        (
            small,
            lambda: imnet_data.open_loader(small, TrainRecipe(), batch_size=1, split="holdout"),
        ),
        (small, lambda: imnet_data.convert(small, tmp_path / "out", split="holdout")),
        (tarballs, lambda: imnet_data.convert(tarballs, tmp_path / "out", split="holdout")),
        (tarballs, lambda: open_sources(tarballs, split="holdout")),
        (small, lambda: evaluated(small, split="holdout")),
        (small, lambda: summary.record(small, "0", "holdout")),
    ):
        with pytest.raises(SplitError) as caught:
            call()
        assert str(caught.value) == f"{where}: no split 'holdout'; there are {known[where]}"
    assert not (tmp_path / "out").exists()


def test_a_split_may_be_called_by_another_name_everywhere(
    tarballs: Path, small: Path, tmp_path: Path
) -> None:
    assert Dataset.open(small, "validation").split == "val"
    with contextlib.closing(open_sources(tarballs, split="validation")) as opened:
        assert list(opened.splits) == ["val"]
    for source in (small, tarballs):
        about = imnet_data.convert(source, tmp_path / f"of-{source.name}", split="validation")
        assert list(about.splits) == ["val"]
    assert summary.record(small, "0", "validation")[0].split == "val"


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
