"""What only several datasets together give: the relative mCE, and the AUPR of ImageNet-O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imnet_data.errors import EvaluationError
from imnet_data.evaluation.measures import Measure
from imnet_data.imagenet import variants
from imnet_data.imagenet.corruptions import IMAGENET_C
from imnet_data.metrics.unknown import aupr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imnet_data.evaluation.evaluate import Evaluation

NEEDS_VAL = (
    "ImageNet-O is scored against the val images of ILSVRC2012 of its 200 classes; pass a dataset "
    "that has them, too"
)


def together(scored: Sequence[Evaluation]) -> list[Evaluation]:
    """Return evaluations of one model with what only several datasets together give.

    The relative mCE of ImageNet-C needs the error on ILSVRC2012's val, and the AUPR of ImageNet-O
    the confidences there.

    Raises:
        EvaluationError: if ImageNet-O is there and ILSVRC2012's val is not.
    """
    clean = next(
        (one for one in scored if one.dataset_name == variants.ILSVRC2012 and one.split == "val"),
        None,
    )
    return [_with(one, clean) for one in scored]


def _with(scored: Evaluation, clean: Evaluation | None) -> Evaluation:
    if scored.dataset_name == IMAGENET_C and clean is not None:
        error = 1 - clean.results.accuracy().correct / clean.results.accuracy().total
        assert scored.corruptions is not None
        relative = scored.corruptions.relative_mce(error)
        if relative is not None:
            text = f"{relative:.2f} %, with the clean error {100 * error:.2f} %"
            measure = Measure("relative mCE", text, relative)
            return scored._replace(measures=(*scored.measures[:1], measure, *scored.measures[1:]))
    if scored.dataset_name == variants.IMAGENET_O:
        if clean is None or clean.confidences_among is None:
            raise EvaluationError(NEEDS_VAL)
        known = clean.confidences_among
        area = aupr(known, scored.results.confidences)
        text = (
            f"{100 * area:.2f} %, {len(scored.results.confidences):,} images against "
            f"{len(known):,} of ILSVRC2012's val, among 200 classes"
        )
        return scored._replace(measures=(*scored.measures, Measure("AUPR", text, area)))
    return scored
