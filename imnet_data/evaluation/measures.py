"""What is measured of a set besides accuracy: mCE of ImageNet-C, AUPR of ImageNet-O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imnet_data.imagenet import facts, variants
from imnet_data.imagenet.corruptions import ALEXNET, IMAGENET_C, SEVERITIES, CorruptionErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.metrics import Results


class Measure(NamedTuple):
    """One row of an evaluation."""

    name: str
    text: str
    document: Any  # for JSON


def of_dataset(
    name: str, results: Results, keys: Sequence[str], classes: Sequence[str]
) -> tuple[Measure, ...]:
    """Return what is measured of the dataset called `name`, by its records' keys."""
    if name == IMAGENET_C:
        return _of_corruptions(corruption_errors(results, keys))
    if name == variants.HARD:
        label_of = {wnid: label for label, wnid in enumerate(classes)}
        right = [[label_of[wnid] for wnid in variants.right_wnids(key)] for key in keys]
        found = results.real_accuracy(right)
        several = sum(len(each) > 1 for each in right)
        text = (
            f"{found.percent:.3f} % ({found.correct:,} of {found.total:,}), of which {several:,} "
            "have several right classes"
        )
        return (Measure("any right class", text, found._asdict()),)
    return ()


def corruption_errors(results: Results, keys: Sequence[str]) -> CorruptionErrors:
    """Return the errors of each corruption: the mean of those of its severities."""
    groups = np.array([key.rpartition("-")[0] for key in keys])
    names, at, counts = np.unique(groups, return_inverse=True, return_counts=True)
    correct = np.bincount(at, weights=results.is_correct, minlength=len(names))
    of_group = {
        tuple(name.rsplit("-", 1)): 1 - right / count
        for name, right, count in zip(
            names.tolist(), correct.tolist(), counts.tolist(), strict=True
        )
    }
    errors: dict[str, float] = {}
    for corruption in dict.fromkeys(name for name, _ in of_group):
        of_severities = [error for (name, _), error in of_group.items() if name == corruption]
        errors[corruption] = sum(of_severities) / len(of_severities)
    wanted = {(name, severity) for name in ALEXNET for severity in SEVERITIES}
    whole = facts.SPLITS["val"].record_count
    present = {
        (*name.rsplit("-", 1),) for name, count in zip(names, counts, strict=True) if count == whole
    }
    return CorruptionErrors(errors, wanted <= of_group.keys(), wanted <= present)


def _of_corruptions(found: CorruptionErrors) -> tuple[Measure, ...]:
    mce = found.mce()
    if mce is None:
        missing = sorted(ALEXNET.keys() - found.errors.keys())
        text = (
            f"needs 15 corruptions in 5 severities; missing: {', '.join(missing) or 'severities'}"
        )
    else:
        part = "" if found.has_all_images else "; of a part of the images: not to be compared"
        text = f"{mce:.2f} % of AlexNet's errors, mean of 15 corruptions{part}"
    rows = [Measure("mCE", text, mce)]
    by_alexnet = found.relative_to_alexnet()
    for name, error in found.errors.items():
        relative = f", {by_alexnet[name]:.2f} % of AlexNet's" if name in by_alexnet else ""
        rows.append(
            Measure(
                name,
                f"error {100 * error:.2f} %{relative}",
                {"error": error, "corruption_error": by_alexnet.get(name)},
            )
        )
    return tuple(rows)
