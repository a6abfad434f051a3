"""Powers and Beta-distributed numbers that are the same on every machine.

Only +, -, *, / and square roots are used, which IEEE 754 rounds in one way: the exp, log and pow of
libraries differ in the last bit from one to the other, and a comparison makes more of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imnet_data.rng import uniform

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from imnet_data.rng import Stream


def power(base: ArrayLike, exponent: ArrayLike) -> NDArray[np.float64]:
    """Return base ** exponent within some 1e-14 of it, for base and exponent of 0 or more.

    Binary digits of the exponent: those of its whole part choose among base, base**2, base**4 ...,
    those of its fraction among base**(1/2), base**(1/4) ...
    """
    square, exponent = np.broadcast_arrays(
        np.asarray(base, np.float64), np.asarray(exponent, np.float64)
    )
    whole = np.floor(exponent)
    root, fraction = square, exponent - whole
    result = np.ones(square.shape)
    while whole.any():
        result = np.where(whole % 2 == 1, result * square, result)
        square, whole = square * square, np.floor(whole / 2)
    while fraction.any():
        root, fraction = np.sqrt(root), fraction * 2
        result = np.where(fraction >= 1, result * root, result)
        fraction = fraction - np.floor(fraction)
    return result


def symmetric_beta(
    alpha: float,
    seed: int,
    *,
    stream: Stream,
    epoch: int,
    indices: NDArray[np.integer],
    draw: int,
) -> NDArray[np.float64]:
    """Return a number of Beta(alpha, alpha) for each index, float64[len(indices)], alpha above 0.

    Both methods reject pairs of uniform numbers, and so use `draw` and all after it.
    Up to 1/2, Johnk's: x = u**(1/alpha) and y = v**(1/alpha), accepted if x + y <= 1, give
    x / (x + y). Above, Ulrich's: a point (u, v) of the unit half disc, with s = u**2 + v**2, gives
    1/2 + u v / s * sqrt(1 - s**(2 / (2 alpha - 1))).

    Source: Devroye, "Non-uniform random variate generation", 1986, chapter IX, section 4.
    """
    result = np.empty(len(indices))
    missing = np.arange(len(indices))
    try_pair = _johnk if alpha <= 0.5 else _ulrich
    while len(missing):
        # 1 - uniform is never 0: both methods divide
        u, v = (
            1 - uniform(seed, stream, epoch, indices[missing], draw=draw + number)
            for number in range(2)
        )
        tried, is_accepted = try_pair(u, v, alpha)
        result[missing[is_accepted]] = tried[is_accepted]
        missing, draw = missing[~is_accepted], draw + 2
    return result


def _johnk(
    u: NDArray[np.float64], v: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    # as a ratio of the lesser to the greater: both powers may be too small for a float
    ratio = power(np.minimum(u, v) / np.maximum(u, v), 1 / alpha)
    result = np.where(u < v, ratio, 1) / (1 + ratio)
    return result, power(u, 1 / alpha) + power(v, 1 / alpha) <= 1


def _ulrich(
    u: NDArray[np.float64], v: NDArray[np.float64], alpha: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    v = 2 * v - 1
    square = u * u + v * v
    is_inside = square <= 1
    rest = 1 - power(np.where(is_inside, square, 1), 2 / (2 * alpha - 1))
    # u v / s may be rounded to a little more than 1/2
    return np.clip(0.5 + u * v / square * np.sqrt(rest), 0, 1), is_inside
