"""How two sets of repeats differ: the ratio of their speeds, and its interval.

The interval holds every ratio that the rank test of Mann and Whitney does not refuse (Hodges and
Lehmann 1963), so it asks nothing of the shape of the noise, and one disturbed repeat moves it
little. It is exact up to 50 repeats on each side; beyond, the normal approximation is.
"""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CHANCE = 0.05  # of any false alarm in a comparison, over all its figures together
_MOST_EXACT = 50


class Ratio(NamedTuple):
    """After over before, with the interval that holds the true ratio."""

    middle: float
    low: float
    high: float

    @property
    def is_changed(self) -> bool:
        """Whether the interval leaves out 1."""
        return not self.low <= 1 <= self.high

    @property
    def visible(self) -> float:
        """The smallest change that these repeats would have shown, as a share: 0.03 is 3 %."""
        if self.low == 0:
            return math.inf
        return max(self.middle / self.low, self.high / self.middle) - 1


def ratio(before: Sequence[float], after: Sequence[float], *, figures: int = 1) -> Ratio:
    """Return the ratio of two sets of repeats.

    Args:
        before: figures above 0, one of each repeat.
        after: likewise.
        figures: so many are compared, and share `CHANCE` among them.
    """
    logarithms = np.log(np.asarray(after))[:, None] - np.log(np.asarray(before))
    apart = np.sort(logarithms.ravel())
    cut = _cut(len(before), len(after), CHANCE / figures)
    middle = float(np.exp(np.median(apart)))
    if cut == 0:  # so few repeats show nothing
        return Ratio(middle, 0.0, math.inf)
    return Ratio(middle, float(np.exp(apart[cut - 1])), float(np.exp(apart[-cut])))


@functools.cache
def _cut(first: int, second: int, chance: float) -> int:
    """Return which of the sorted differences, from either end, bounds the interval; 0: none."""
    if max(first, second) <= _MOST_EXACT:
        tail = np.cumsum(_chances(first, second))
        return int(np.searchsorted(tail, chance / 2, side="right"))
    deviation = math.sqrt(first * second * (first + second + 1) / 12)
    cut = first * second / 2 + NormalDist().inv_cdf(chance / 2) * deviation - 0.5
    return max(0, math.floor(cut) + 1)


def _chances(first: int, second: int) -> NDArray[np.float64]:
    """Return the chance of each value of Mann and Whitney's U where nothing differs."""
    row = [np.ones(1) for _ in range(second + 1)]  # of no repeats on the first side
    for one in range(1, first + 1):
        made = [np.ones(1)]
        for other in range(1, second + 1):
            # the largest of all is one of the first side, above all of the second; or it is not
            chances = np.zeros(one * other + 1)
            chances[other:] += row[other] * (one / (one + other))
            chances[: len(made[-1])] += made[-1] * (other / (one + other))
            made.append(chances)
        row = made
    return row[second]
