"""The classes that a dataset distinguishes, among those that a model has outputs for.

ImageNet-A and -R have 200 of the 1000 classes: what a model says of the other 800 is dropped before
the largest logit is looked for, as the datasets' authors do. In ObjectNet one class of its own may
be several of ImageNet's: its logit is the largest of theirs.

Source: hendrycks/natural-adv-examples, eval.py; hendrycks/imagenet-r, eval.py;
mlfoundations/wise-ft, src/datasets/objectnet.py (project_logits).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imnet_data.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


class ClassSpace:
    """Which outputs of a model count, and as which label.

    Args:
        counts_as: the label that output c counts as, -1 where the dataset has no such class.
    """

    def __init__(self, counts_as: ArrayLike) -> None:
        table = np.asarray(counts_as, np.int64)
        kept = np.flatnonzero(table >= 0)
        if table.ndim != 1 or not len(kept):
            raise ValueError(
                f"counts_as is {table.shape} and keeps {len(kept)} outputs; expected 1"
            )
        self.output_count = len(table)
        self._outputs = kept[np.argsort(table[kept], kind="stable")]
        self.labels, self._starts = np.unique(table[self._outputs], return_index=True)
        self._is_whole = np.array_equal(self._outputs, np.arange(len(table)))
        self._has_groups = len(self.labels) < len(self._outputs)

    @classmethod
    def of(cls, class_count: int, only: Sequence[int] | None = None) -> ClassSpace:
        """Return the space of `class_count` classes, or of those labels of it that are named."""
        table = np.arange(class_count)
        return cls(table if only is None else np.where(np.isin(table, only), table, -1))

    def reduce(self, logits: Any) -> NDArray[np.floating]:
        """Return one logit for each label of `labels`, float32 or float64[n, len(labels)].

        Args:
            logits: a tensor or array [n, output_count].

        Raises:
            EvaluationError: if one is not a finite number.
        """
        table = _as_array(logits)
        if table.ndim != 2 or table.shape[1] != self.output_count:
            raise ValueError(f"logits are {table.shape}; expected [n, {self.output_count}]")
        if not np.isfinite(table).all():
            raise EvaluationError(
                "the model returned logits that are not finite (nan or inf); its weights may be "
                "damaged, or too large for half precision"
            )
        if not self._is_whole:
            table = table[:, self._outputs]
        if self._has_groups:
            table = np.maximum.reduceat(table, self._starts, axis=1)
        return table


def _as_array(values: Any) -> NDArray[np.floating]:
    """Return float32 or float64; of tensors, half precision becomes float32."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values if values.element_size() == 8 else values.float()).numpy()
    table = np.asarray(values)
    return table if table.dtype == np.float64 else table.astype(np.float32)
