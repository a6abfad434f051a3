"""One model on one split, and its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imnet_data import arguments
from imnet_data.dataset import description
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import mapping, measures
from imnet_data.evaluation.groups import by_group, members
from imnet_data.evaluation.overlays import val_numbers
from imnet_data.evaluation.scoring import Protocol, score
from imnet_data.imagenet import facts, variants
from imnet_data.imagenet.corruptions import IMAGENET_C
from imnet_data.machine.progress import no_progress
from imnet_data.metrics import ClassSpace, Outcomes
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imnet_data.arguments import StrPath
    from imnet_data.dataset.description import Description
    from imnet_data.evaluation.groups import Group, Grouping
    from imnet_data.evaluation.measures import Measure
    from imnet_data.evaluation.scoring import Model
    from imnet_data.imagenet.corruptions import CorruptionErrors
    from imnet_data.machine.progress import Progress
    from imnet_data.metrics import Accuracy, Results


class Evaluation(NamedTuple):
    """What came out, and of what."""

    model_name: str
    parameter_count: int | None
    dataset_name: str
    split: str
    digest: str  # of the split's manifest
    published_count: int | None  # records that the split has as published; None: not known
    protocol: Protocol
    classes: tuple[str, ...]
    class_count: int  # how many of these the dataset distinguishes
    results: Results
    real: Accuracy | None  # by ReaL labels, where they were asked for
    groups: tuple[Group, ...] = ()  # likewise, by groups of classes
    has_labels: bool = True  # ImageNet-O has none: of `results`, only confidences mean something
    measures: tuple[Measure, ...] = ()  # what else is measured of this set, or by overlays
    corruptions: CorruptionErrors | None = None  # of ImageNet-C
    confidences_among: NDArray[np.int64] | None = None  # see `Protocol.among`


def evaluate(
    model: Model,
    root: StrPath,
    *,
    protocol: Protocol | None = None,
    split: str | None = None,
    batch_size: int = 64,
    real: Sequence[Sequence[int]] | None = None,
    grouping: Grouping | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Evaluate a model on a split of the dataset at `root`.

    Args:
        model: what is evaluated.
        root: the folder of the dataset, which says itself which classes it has; or what
            `open_remote` gives for one in a store.
        protocol: by default one centre crop, as the model's weights were made for, else 256 / 224.
        split: by default val, or the only one there is.
        batch_size: records at a time.
        real: ReaL labels of the 50,000 val images in number order: `variants.real_labels()`.
        grouping: groups of classes to score by themselves, too.
        progress: called after each batch.

    Raises:
        EvaluationError: if a number would not be of what it says.
        ImnetError: if the dataset cannot be read.
    """
    splits = description.read(arguments.path("root", root)).splits
    chosen = split or (next(iter(splits)) if len(splits) == 1 else "val")
    with Dataset.open(root, chosen) as dataset:
        about = dataset.about
        accepted = None if real is None else _accepted(dataset, real)
        groups = {} if grouping is None else members(dataset.labels, about.classes, grouping)
        wanted = protocol or Protocol(recipes=(model.recipe,) if model.recipe else (EvalRecipe(),))
        wanted = wanted.for_dataset(about.name)
        keys = [key.decode() for key in dataset.index.key.tolist()] if _needs_keys(about) else []
        outcomes, beside = _scored(model, dataset, wanted, batch_size, progress)
        results = outcomes.complete()
        return Evaluation(
            model_name=model.name,
            parameter_count=model.parameter_count,
            dataset_name=about.name,
            split=dataset.split,
            digest=dataset.split_description.digest,
            published_count=_published_count(about.name, dataset.split),
            protocol=wanted,
            classes=about.classes,
            class_count=len(outcomes.space.labels),
            results=results,
            real=None if accepted is None else results.real_accuracy(accepted),
            groups=by_group(results, groups, grouping.hierarchy) if grouping else (),
            has_labels=about.name != variants.IMAGENET_O,
            measures=measures.of_dataset(about.name, results, keys, about.classes),
            corruptions=(
                measures.corruption_errors(results, keys) if about.name == IMAGENET_C else None
            ),
            confidences_among=beside,
        )


def _needs_keys(about: Description) -> bool:
    return about.name in (IMAGENET_C, variants.HARD)


def _scored(
    model: Model, dataset: Dataset, protocol: Protocol, batch_size: int, progress: Progress
) -> tuple[Outcomes, NDArray[np.int64] | None]:
    """Return the outcomes, and the confidences among the classes of another set."""
    about, labels = dataset.about, dataset.labels
    beside: list[tuple[str, Outcomes]] = []
    if about.name != variants.IMAGENET_O:
        # a mask would hide what the model says if its outputs are taken in the wrong order
        beside.append(
            (variants.ILSVRC2012, Outcomes(labels, space=ClassSpace.of(len(about.classes))))
        )
    is_known = np.zeros(len(labels), bool)
    if protocol.among is not None and about.name == variants.ILSVRC2012:
        space = ClassSpace(variants.counts_as(protocol.among, about.classes))
        is_known = np.isin(labels, space.labels)
        known_labels = np.where(is_known, labels, space.labels[0])
        beside.append((protocol.among, Outcomes(known_labels, space=space)))
    outcomes = score(
        model,
        dataset,
        protocol=protocol,
        batch_size=batch_size,
        beside=beside,
        progress=progress,
    )
    found = {name: each.complete() for name, each in beside}
    if variants.ILSVRC2012 in found:
        mapping.refuse_better_order(found[variants.ILSVRC2012], about.classes)
    if not is_known.any():
        return outcomes, None
    return outcomes, found[str(protocol.among)].confidences[is_known]


def _published_count(name: str, split: str) -> int | None:
    if name == variants.ILSVRC2012:
        return facts.SPLITS["val"].record_count if split == "val" else None
    return variants.VARIANTS[name].counts.get(split)


def _accepted(dataset: Dataset, real: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Return the ReaL labels of each record, by the number in its key."""
    numbers = val_numbers(dataset, "ReaL labels exist", "--real")
    count = facts.SPLITS["val"].record_count
    if len(real) != count:
        raise EvaluationError(f"ReaL labels of {len(real)} images; real.json has {count}")
    return [real[number - 1] for number in numbers]
