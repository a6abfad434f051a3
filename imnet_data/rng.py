"""Randomness as a pure function of (seed, stream, epoch, index, draw); there is no state.

Each word is folded into a 64-bit hash by the finaliser of SplitMix64, a bijection with full
avalanche; only integer arithmetic modulo 2**64 is used, so every machine gives the same numbers.
A seed is hashed before anything is added to it: seed 0, index 1 and seed 1, index 0 differ.

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, fig. 14.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from imnet_data.arguments import integer

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Stream(IntEnum):
    """One constant a use, so that no two uses share numbers; values are never reused."""

    ORDER = 1
    CROP = 2
    FLIP = 3
    SYNTH = 4
    FORMAT = 5
    AUGMENT = 6
    BLOCK = 7
    MODEL = 8
    MIX = 9
    ERASE = 10
    JITTER = 11
    GREYSCALE = 12
    BLUR = 13
    SOLARIZE = 14


_REPEAT_BIT, _VIEW_BIT = 40, 52  # of a key; the record's number is below
MAX_REPEATS = 1 << _VIEW_BIT - _REPEAT_BIT
MAX_VIEWS = 1 << 63 - _VIEW_BIT


def keys(
    indices: NDArray[np.integer], *, repeat: int | NDArray[np.integer] = 0, view: int = 0
) -> NDArray[np.int64]:
    """Return what takes the place of indices where a record comes more than once, int64[n].

    Args:
        indices: record numbers in the split, below 2**40: the keys of repeat 0 and view 0.
        repeat: which time of its epoch it is that a record comes, below MAX_REPEATS.
        view: which of several views of it is made, below MAX_VIEWS.
    """
    shifted = np.asarray(repeat, np.int64) << _REPEAT_BIT
    return np.asarray(indices, np.int64) + shifted + (view << _VIEW_BIT)


def require_seed(name: str, value: object) -> int:
    """Return a seed, which is any int; only its low 64 bits count."""
    return integer(name, value)


def _mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    word = word + _GOLDEN
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def hash64(
    seed: int, stream: Stream, epoch: int, indices: NDArray[np.integer], *, draw: int = 0
) -> NDArray[np.uint64]:
    """Return 64 hashed bits for each index, uint64[len(indices)].

    Args:
        seed: see `require_seed`.
        stream: what the numbers are for.
        epoch: 0 or more.
        indices: record numbers in the split.
        draw: 0, 1, 2 ... for further numbers of the same record.
    """
    state = np.zeros(1, np.uint64)
    for word in (require_seed("seed", seed), int(stream), epoch, draw):
        state = _mix(state ^ _mix(np.array([word & 0xFFFFFFFFFFFFFFFF], np.uint64)))
    return _mix(state ^ _mix(np.asarray(indices).astype(np.uint64)))


def uniform(
    seed: int, stream: Stream, epoch: int, indices: NDArray[np.integer], *, draw: int = 0
) -> NDArray[np.float64]:
    """Return one number in [0, 1) for each index, float64[len(indices)], multiples of 2**-53."""
    bits = hash64(seed, stream, epoch, indices, draw=draw) >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def shuffled(count: int, *, seed: int, epoch: int = 0) -> NDArray[np.int64]:
    """Return the numbers 0 to count - 1 in shuffled order, int64[count].

    Sorting by 64-bit keys is a uniform shuffle but for equal keys (chance 4e-8 at 1.28 million
    records), which the stable sort leaves in index order: so the result is always defined.
    """
    return np.argsort(hash64(seed, Stream.ORDER, epoch, np.arange(count)), kind="stable")
