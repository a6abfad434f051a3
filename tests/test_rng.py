"""Draws and orders as pure functions of (seed, epoch, index)."""

import numpy as np

from imnet_data import rng
from imnet_data.rng import Stream


def test_random_numbers_are_golden() -> None:
    bits = rng.hash64(0, Stream.ORDER, 0, np.arange(3))
    assert bits.tolist() == [9448219569539525645, 12692095714885362647, 15631229225272677550]
    assert rng.shuffled(10, seed=0).tolist() == [8, 4, 3, 7, 9, 6, 0, 1, 2, 5]
    assert rng.shuffled(10, seed=0, epoch=1).tolist() != rng.shuffled(10, seed=0).tolist()


def test_seed_epoch_index_draw_and_stream_do_not_collide() -> None:
    indices = np.arange(40)
    seen = [
        rng.hash64(seed, stream, epoch, indices, draw=draw)
        for seed in (-1, 0, 1, 2**63)
        for stream in Stream
        for epoch in range(4)
        for draw in range(4)
    ]
    assert len(np.unique(np.concatenate(seen))) == len(seen) * len(indices)


def test_a_number_does_not_depend_on_its_neighbours() -> None:
    indices = np.array([5, 1_281_166, 0])
    together = rng.uniform(3, Stream.CROP, 2, indices)
    alone = [rng.uniform(3, Stream.CROP, 2, np.array([index]))[0] for index in indices]
    assert together.tolist() == alone
    assert (together >= 0).all()
    assert (together < 1).all()


def test_a_shuffle_is_a_fair_permutation() -> None:
    places = np.zeros((6, 6), int)
    for seed in range(3000):
        shuffled = rng.shuffled(6, seed=seed)
        assert sorted(shuffled.tolist()) == list(range(6))
        places[np.arange(6), shuffled] += 1
    assert np.abs(places - 500).max() < 100  # five standard deviations
