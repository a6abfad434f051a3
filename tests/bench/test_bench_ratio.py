"""What a comparison finds, and how often it is wrong: simulated, so nothing is timed here."""

import math

import numpy as np
import pytest
from bench_kit import measurement

from imnet_data.bench.compare import compared
from imnet_data.bench.ratio import ratio

ROWS = 10  # of a report; each has a speed and a CPU time
TRIES = 400


def noise(random, repeats, *, sigma=0.03):
    return np.exp(random.normal(0, sigma, repeats)).tolist()


def comparison(random, repeats, *, slower=1.0, disturbed=1.0):
    """Compare reports of `ROWS` stages; the first is slower in the second one."""
    pairs = []
    for row in range(ROWS):
        before, after = noise(random, repeats), noise(random, repeats)
        if row == 0:
            after = [speed * slower for speed in after]
            before[0] *= disturbed
        old, new = (
            measurement(f"stage {row}", 1000, cpu=1e-3, speeds=speeds) for speeds in (before, after)
        )
        pairs.append(("webdataset", old, new))
    return compared(pairs)


@pytest.mark.parametrize("repeats", [10, 50])
def test_a_tenth_slower_under_noise_of_3_percent_is_found_in_95_of_100_cases(repeats):
    random = np.random.default_rng(repeats)
    tries = TRIES if repeats == 10 else TRIES // 4
    found = sum(
        comparison(random, repeats, slower=0.9).changes[0].speed_ratio.high < 1
        for _ in range(tries)
    )
    assert found >= 0.95 * tries


@pytest.mark.parametrize("repeats", [5, 10, 50])
def test_a_build_compared_with_itself_gives_a_false_alarm_in_at_most_5_of_100(repeats):
    random = np.random.default_rng(repeats)
    tries = TRIES if repeats <= 10 else TRIES // 2
    alarms = sum(
        any(one.is_changed for one in comparison(random, repeats).changes) for _ in range(tries)
    )
    assert alarms <= 0.05 * tries


def test_one_disturbed_repeat_does_not_hide_a_regression_of_15_percent():
    random = np.random.default_rng(0)
    found = sum(
        comparison(random, 10, slower=0.85, disturbed=0.5).changes[0].is_worse
        for _ in range(TRIES // 2)
    )
    assert found >= 0.95 * (TRIES // 2)


def test_the_interval_of_one_figure_holds_the_true_ratio_in_95_of_100_cases():
    random = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        one = ratio(noise(random, 10), [2 * speed for speed in noise(random, 10)])
        held += one.low <= 2 <= one.high
    assert 940 <= held <= 985


def test_intervals_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats", reason="an oracle for the rank test")
    random = np.random.default_rng(2)
    for first, second in ((5, 5), (7, 10), (20, 20)):
        for _ in range(50):
            before = noise(random, first)
            after = [speed * 0.97 for speed in noise(random, second)]
            test = stats.mannwhitneyu(before, after, method="exact")
            assert ratio(before, after).is_changed == (test.pvalue <= 0.05)


def test_so_few_repeats_that_nothing_could_be_seen_have_no_interval():
    one = ratio([1.0, 1.1], [5.0, 5.5])
    assert (one.low, one.high) == (0.0, math.inf)
    assert not one.is_changed
    assert math.isinf(one.visible)


def test_many_repeats_are_compared_as_exactly_as_few():
    random = np.random.default_rng(3)
    before, after = noise(random, 51), noise(random, 51)
    exact, near = ratio(before[:50], after[:50]), ratio(before, after)
    assert near.low == pytest.approx(exact.low, abs=2e-3)
    assert near.high == pytest.approx(exact.high, abs=2e-3)


def test_a_change_as_large_as_the_visible_one_is_seen():
    random = np.random.default_rng(4)
    before, after = noise(random, 10), noise(random, 10)
    visible = ratio(before, after).visible
    middle = ratio(before, after).middle
    for factor in (1 + visible + 1e-9, 1 / (1 + visible + 1e-9)):
        assert ratio(before, [speed / middle * factor for speed in after]).is_changed
