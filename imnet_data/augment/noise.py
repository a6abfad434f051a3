"""Normally distributed noise made on the device, equal on every device.

Each pixel's place is hashed with the hash of its image (as `rng.hash64` does it: SplitMix64 in
integers), and 16 bits of that choose among the 65,536 midpoint quantiles of the normal
distribution: no logarithm or cosine is taken, in which devices would differ.
"""

from __future__ import annotations

import functools
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import torch

from imnet_data.augment.sending import sent, sent_once

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_LEVELS = 1 << 16
_CHANNELS = 4  # that the 64 bits of one place have numbers for


@functools.cache
def normal_quantiles() -> NDArray[np.float32]:
    """Return the quantiles at (i + 1/2) / 65,536, float32[65536], from -4.17 to 4.17."""
    normal = NormalDist()
    lower = [normal.inv_cdf((level + 0.5) / _LEVELS) for level in range(_LEVELS // 2)]
    half = np.array(lower, np.float32)
    return np.concatenate([half, -half[::-1]])


_quantiles = sent_once(normal_quantiles)


def normal_noise(
    hashes: NDArray[np.uint64], shape: tuple[int, int, int], *, device: torch.device
) -> Tensor:
    """Return noise of mean 0 and variance 1, float32[len(hashes), *shape].

    Args:
        hashes: of the images.
        shape: channels (at most 4), height and width.
        device: to make it on.
    """
    channels, height, width = shape
    assert channels <= _CHANNELS
    states = sent(hashes.view(np.int64), device)
    places = torch.arange(height * width, device=device).view(height, width)
    bits = _mix(states.view(-1, 1, 1) ^ _mix(places))
    levels = [bits >> 16 * channel & _LEVELS - 1 for channel in range(channels)]
    return _quantiles(device)[torch.stack(levels, dim=1)]


def _mix(word: Tensor) -> Tensor:
    """Do what `rng._mix` does, in int64: products wrap alike, and shifts are made logical."""
    word = word + _signed(0x9E3779B97F4A7C15)
    word = (word ^ _shifted(word, 30)) * _signed(0xBF58476D1CE4E5B9)
    word = (word ^ _shifted(word, 27)) * _signed(0x94D049BB133111EB)
    return word ^ _shifted(word, 31)


def _shifted(word: Tensor, bits: int) -> Tensor:
    return word >> bits & (1 << 64 - bits) - 1


def _signed(constant: int) -> int:
    return constant - (1 << 64)  # all three have the highest bit set
