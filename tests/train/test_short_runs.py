"""Runs that are cut short on purpose: after some steps, or to some images of an epoch."""

import json

import pytest
from training_kit import EXECUTION, STEPS, TINY, assert_same_weights, events, losses, weights

from imnet_data.errors import TrainError
from imnet_data.train import loop


def test_max_steps_stops_a_run_that_goes_on_as_if_it_never_had(dataset, tmp_path, never_killed):
    for most, done in ((3, 3), (3, 3), (STEPS, STEPS), (STEPS + 2, STEPS + 2)):
        outcome = loop.train(dataset, tmp_path, TINY, execution=EXECUTION._replace(max_steps=most))
        assert len(losses(tmp_path)) == done
        assert (outcome.top1 is None) == (done < STEPS)  # validated at the end of an epoch alone
    loop.train(dataset, tmp_path, TINY, execution=EXECUTION)
    assert losses(tmp_path) == losses(never_killed)
    assert events(tmp_path, "val") == events(never_killed, "val")
    assert_same_weights(weights(tmp_path), weights(never_killed))


def test_limit_trains_on_some_images_of_each_epoch_and_validates_on_all(dataset, tmp_path):
    two = TINY.with_epochs(2)
    outcome = loop.train(dataset, tmp_path, two, execution=EXECUTION, limit=20)
    assert list(losses(tmp_path)) == [(epoch, step) for epoch in (0, 1) for step in (1, 2)]
    assert outcome.top1 is not None
    assert outcome.top1.total == 28
    assert json.loads((tmp_path / "card.json").read_text())["limit"] == 20
    with pytest.raises(TrainError, match="limit is 20, not None"):
        loop.train(dataset, tmp_path, two, execution=EXECUTION)
    with pytest.raises(ValueError, match=r"^limit is 7; allowed are integers from 8$"):
        loop.train(dataset, tmp_path / "other", two, execution=EXECUTION, limit=7)
