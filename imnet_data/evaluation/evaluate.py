"""One model on one split, and its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from imnet_data import arguments
from imnet_data.dataset import description
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import mapping
from imnet_data.evaluation.groups import by_group, members
from imnet_data.evaluation.scoring import Protocol, score
from imnet_data.imagenet import facts, variants
from imnet_data.machine.progress import no_progress
from imnet_data.metrics import ClassSpace, Outcomes
from imnet_data.transforms import EvalRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.arguments import StrPath
    from imnet_data.evaluation.groups import Group, Grouping
    from imnet_data.evaluation.scoring import Model
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
        root: the folder of the dataset, which says itself which classes it has.
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
    root = arguments.path("root", root)
    splits = description.read(root).splits
    chosen = split or (next(iter(splits)) if len(splits) == 1 else "val")
    with Dataset.open(root, chosen) as dataset:
        about = dataset.about
        accepted = None if real is None else _accepted(dataset, real)
        groups = {} if grouping is None else members(dataset.labels, about.classes, grouping)
        wanted = protocol or Protocol(recipes=(model.recipe,) if model.recipe else (EvalRecipe(),))
        wanted = wanted.for_dataset(about.name)
        # a mask would hide what the model says if its outputs are taken in the wrong order
        unmasked = Outcomes(dataset.labels, space=ClassSpace.of(len(about.classes)))
        outcomes = score(
            model,
            dataset,
            protocol=wanted,
            batch_size=batch_size,
            unmasked=unmasked,
            progress=progress,
        )
        mapping.refuse_better_order(unmasked.complete(), about.classes)
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
        )


def _published_count(name: str, split: str) -> int | None:
    if name == variants.ILSVRC2012:
        return facts.SPLITS["val"].record_count if split == "val" else None
    return variants.VARIANTS[name].counts.get(split)


def _accepted(dataset: Dataset, real: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Return the ReaL labels of each record, by the number in its key."""
    numbers = [facts.VAL_KEY.fullmatch(key) for key in dataset.index.key.tolist()]
    if dataset.about.name != variants.ILSVRC2012 or dataset.split != "val" or None in numbers:
        raise EvaluationError(
            f"{dataset.root}: ReaL labels exist only for the val images of ILSVRC2012, and this is "
            f"{dataset.split} of {dataset.about.name}; leave out --real"
        )
    count = facts.SPLITS["val"].record_count
    if len(real) != count:
        raise EvaluationError(f"ReaL labels of {len(real)} images; real.json has {count}")
    return [real[int(number[1]) - 1] for number in numbers if number]
