"""Which output of a model is which class: said by a list of wnids, checked, and doubted.

A list has the wnid of each output, "" where an output is no class (the background of TensorFlow's
models). 1000 outputs without a list are taken for the sorted wnids, 1001 for background and those.

That the taken order was the wrong one would show only as a bad number, so predictions are read in
the other orders that are in use as well: if one of them fits much better, there is no number.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from imnet_data.errors import EvaluationError
from imnet_data.imagenet import labels, variants
from imnet_data.metrics import Accuracy, ClassSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imnet_data.dataset.description import Description
    from imnet_data.metrics import Results

_LEAST_GAIN = 20  # records that another order must fit better, and ...
_LEAST_SHARE = 0.05  # ... this share of all: chance alone fits one of 1000


def outputs_of(space: str) -> tuple[str, ...]:
    """Return the list of a model whose outputs are in the order of a label space."""
    wnids = labels.wnids_of(space)
    return wnids[1:] if space == "ilsvrc" else wnids  # its ids begin at 1, and outputs do not


def outputs_of_count(count: int) -> tuple[str, ...]:
    """Return the list that a model with so many outputs is taken to have.

    Raises:
        EvaluationError: if that cannot be said.
    """
    if count == len(labels.ilsvrc2012_wnids()):
        return outputs_of("sorted")
    if count == len(labels.ilsvrc2012_wnids()) + 1:
        return outputs_of("tf")
    raise EvaluationError(
        f"the model has {count} outputs, and their classes are not known; pass a list of wnids, "
        "one per output (`--classes FILE`), or a checkpoint that has it"
    )


def space_of(about: Description, outputs: Sequence[str], *, name: str | None = None) -> ClassSpace:
    """Return what a model's outputs count as in a dataset, or in the set called `name`.

    Of a set with classes of its own, such as Imagenette, a model may have more: they are dropped.

    Raises:
        EvaluationError: if they are not of the same classes.
    """
    of_model, of_dataset = [wnid for wnid in outputs if wnid], set(about.classes)
    if len(set(of_model)) < len(of_model):
        raise EvaluationError("the model's list of classes has a class twice; pass the right list")
    has_own = about.name in variants.VARIANTS and variants.VARIANTS[about.name].has_own_classes
    if set(of_model) != of_dataset and not (has_own and of_dataset <= set(of_model)):
        only = {
            "the dataset": sorted(of_dataset - set(of_model)),
            "the model": sorted(set(of_model) - of_dataset),
        }
        named = [
            f"{len(wnids)} of {whose} alone ({', '.join(wnids[:3])}{' ...' * (len(wnids) > 3)})"
            for whose, wnids in only.items()
            if wnids
        ]
        raise EvaluationError(
            f"the model distinguishes {len(of_model)} classes, the dataset {len(of_dataset)}, and "
            f"they differ: {' and '.join(named)}; evaluate a model of the dataset's classes"
        )
    counted = variants.counts_as(name or about.name, about.classes)
    counts = dict(zip(about.classes, counted, strict=True))
    return ClassSpace([counts.get(wnid, -1) for wnid in outputs])


def refuse_better_order(results: Results, classes: Sequence[str]) -> None:
    """Refuse predictions that would be right much more often if the model's order was another.

    Raises:
        EvaluationError: naming both orders and what they give.
    """
    if tuple(classes) != labels.ilsvrc2012_wnids():
        return
    taken = results.accuracy()
    order, other = max(other_orders(results).items(), key=lambda item: item[1].correct)
    gain = other.correct - taken.correct
    if gain >= max(_LEAST_GAIN, _LEAST_SHARE * taken.total) and other.correct > 2 * taken.correct:
        raise EvaluationError(
            f"predictions are right for {taken.percent:.2f} % of the records as they are read, and "
            f"for {other.percent:.2f} % if {order}: the labels of the model and of the dataset "
            "are in different orders; name the order of the model (`--outputs`), or convert the "
            "dataset again"
        )


def other_orders(results: Results) -> dict[str, Accuracy]:
    """Return what accuracy would be if predictions meant other classes of the 1000."""
    found = {}
    for order, table in _orders().items():
        read = table[results.top[:, 0]]
        found[order] = Accuracy(int((read == results.labels).sum()), len(read))
    return found


@functools.cache
def _orders() -> dict[str, NDArray[np.int64]]:
    """Map each order to what a prediction, 0 to 999, would mean; -1 for nothing."""
    position = labels.integers(labels.ilsvrc2012_wnids())
    devkit = np.array([position[wnid] for wnid in outputs_of("ilsvrc")])
    as_text = np.array(sorted(range(len(position)), key=str))
    forth = np.arange(1, len(position) + 1)
    forth[-1] = -1
    return {
        "the model has the devkit's order": devkit,
        "the dataset has the devkit's order": np.argsort(devkit),
        "the model's folders were sorted as text": as_text,
        "the dataset's folders were sorted as text": np.argsort(as_text),
        "the model's outputs are one too low": forth,
        "the model's outputs are one too high (a background class)": np.arange(-1, len(forth) - 1),
    }
