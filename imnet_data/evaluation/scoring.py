"""From images to outcomes: views of each record, logits of each view, their mean."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from imnet_data.arguments import one_of
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import mapping
from imnet_data.imagenet import variants
from imnet_data.imagenet.corruptions import IMAGENET_C
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import require_decodable, source_of
from imnet_data.machine import limits
from imnet_data.machine.progress import Step, no_progress
from imnet_data.metrics import ClassSpace, Outcomes
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from imnet_data.dataset.opened import Dataset
    from imnet_data.machine.progress import Progress

_TEN = range(10)
_CROPPED = 224  # pixels: the sides of ImageNet-C's images


class Model(NamedTuple):
    """Anything that returns logits for images."""

    name: str
    # of images uint8[n, size, size, 3], and the recipe with their mean and std: [n, outputs],
    # array or tensor
    logits: Callable[[NDArray[np.uint8], EvalRecipe], Any]
    classes: tuple[str, ...] | None = None  # wnid of each output; None: see `mapping`
    parameter_count: int | None = None
    recipe: EvalRecipe | None = None  # that the weights were made for, if it is known


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a record's logits are made of."""

    recipes: tuple[EvalRecipe, ...] = (EvalRecipe(),)  # several: all of them are averaged
    crops: Literal["single", "ten"] = "single"
    average: Literal["logits", "probabilities"] = "logits"  # of what the mean over views is
    among: str | None = None  # a set: confidences on ILSVRC2012 among its classes are kept, too

    def __post_init__(self) -> None:
        if not self.recipes:
            raise ValueError("recipes is empty; at least one is needed")
        one_of("crops", self.crops, ("single", "ten"))
        one_of("average", self.average, ("logits", "probabilities"))

    def views(self) -> list[EvalRecipe]:
        """Return a recipe for each view of a record."""
        if self.crops == "single":
            return list(self.recipes)
        return [dataclasses.replace(recipe, view=n) for recipe in self.recipes for n in _TEN]

    def for_dataset(self, name: str) -> Protocol:
        """Return the protocol for the dataset called `name`.

        Its pictures may have a border. Those of ImageNet-C are cropped already, and are resized
        only for a crop that is larger than they are.
        """
        border = variants.VARIANTS[name].border if name in variants.VARIANTS else 0
        recipes = [
            dataclasses.replace(recipe, border=recipe.border or border) for recipe in self.recipes
        ]
        if name == IMAGENET_C:
            recipes = [
                dataclasses.replace(recipe, resize=max(recipe.crop, _CROPPED)) for recipe in recipes
            ]
        return dataclasses.replace(self, recipes=tuple(recipes))


def score(
    model: Model,
    dataset: Dataset,
    *,
    protocol: Protocol,
    batch_size: int = 64,
    rank: int = 0,
    world_size: int = 1,
    beside: Sequence[tuple[str, Outcomes]] = (),
    progress: Progress = no_progress,
) -> Outcomes:
    """Score this rank's share of a split: every record on exactly one rank.

    Args:
        model: what is evaluated.
        dataset: the split, with labels.
        protocol: as `Protocol.for_dataset` gives it.
        batch_size: records at a time; each has as many images as the protocol has views.
        rank: of this process.
        world_size: number of processes.
        beside: take the same logits among the classes of other sets, by name; those of ILSVRC2012
            are all.
        progress: called after each batch.

    Raises:
        EvaluationError: if model and dataset are not of the same classes, or there is no label.
    """
    about, space = (
        dataset.about,
        ClassSpace(variants.counts_as(dataset.about.name, dataset.classes)),
    )
    labels = dataset.labels
    if about.name == variants.IMAGENET_O:  # which has none: only confidences are of use
        labels = np.full(len(labels), space.labels[0])
    outcomes = Outcomes(labels, space=space)
    schedule = Schedule(
        count=len(dataset),
        batch_size=batch_size,
        rank=rank,
        world_size=world_size,
        order="sequential",
        last="ragged",
    )
    views, done = protocol.views(), 0
    outputs: tuple[str, ...] = ()
    spaces: list[ClassSpace] = []
    with ExitStack() as stack:
        loaders = [stack.enter_context(_loader(dataset, view, schedule, views)) for view in views]
        for batches in zip(*(loader.epoch(0) for loader in loaders), strict=True):
            indices = batches[0].indices
            if not len(indices):
                continue
            logits = [
                model.logits(batch.images, view) for view, batch in zip(views, batches, strict=True)
            ]
            if not outputs:
                outputs = _outputs(model, logits[0].shape[-1])
                spaces = [
                    mapping.space_of(about, outputs, name=name)
                    for name in (about.name, *(name for name, _ in beside))
                ]
            taking = (outcomes, *(each for _, each in beside))
            for each, among in zip(taking, spaces, strict=True):
                scores = [among.reduce(of_view) for of_view in logits]
                each.add(indices, _mean(scores, protocol.average))
            done += len(indices)
            progress(Step("evaluate", done, len(dataset)))
    return outcomes


def _loader(
    dataset: Dataset, view: EvalRecipe, schedule: Schedule, views: Sequence[EvalRecipe]
) -> CpuLoader:
    threads = max(1, limits.cores() // len(views))
    source = source_of(dataset)
    require_decodable(source)
    return CpuLoader(source, view, schedule, threads=threads)


def _outputs(model: Model, output_count: int) -> tuple[str, ...]:
    outputs = model.classes or mapping.outputs_of_count(output_count)
    if len(outputs) != output_count:
        raise EvaluationError(
            f"{model.name} has {output_count} outputs and a list of {len(outputs)} classes; "
            "pass the list that it was trained with"
        )
    return outputs


def _mean(scores: list[NDArray[np.floating]], average: str) -> NDArray[np.floating]:
    """Return the mean over views, of probabilities as its logarithm; an offset of all is left."""
    if len(scores) == 1:
        return scores[0]
    stacked = np.stack(scores).astype(np.float64)
    if average == "probabilities":
        stacked -= np.logaddexp.reduce(stacked, axis=2, keepdims=True)
        stacked = np.logaddexp.reduce(stacked, axis=0, keepdims=True)
    mean: NDArray[np.float64] = stacked.mean(axis=0)
    return mean
