"""Killed in the middle of an epoch, and called again."""

import dataclasses
import json
import signal
import subprocess
import sys
import time

import pytest
import torch
from training_kit import (
    EXECUTION,
    SCRIPT,
    STEPS,
    TINY,
    assert_same_weights,
    environment,
    events,
    losses,
    weights,
)

from imnet_data.augment import ColorJitter, Erasing, Mix, RandAugment
from imnet_data.machine.progress import Step
from imnet_data.train import loop

_LIMIT_SECONDS = 120


def has_logged(log, epoch, step):
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    logged = [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be cut
    found = {(one["epoch"], one["step"]) for one in logged if one["event"] == "train"}
    return (epoch, step) in found


def kill_at(dataset, out, epoch, step):
    """Start the run of TINY, and kill it with SIGKILL as soon as it has told of a step."""
    command = [sys.executable, "-c", SCRIPT.format(recipe="TINY"), str(dataset), str(out)]
    process = subprocess.Popen(command, env=environment())
    try:
        end = time.monotonic() + _LIMIT_SECONDS
        while not has_logged(out / "log.jsonl", epoch, step):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.002)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_killed_in_mid_epoch_and_resumed_equals_never_killed(dataset, never_killed, tmp_path):
    kill_at(dataset, tmp_path, 1, 4)
    epoch, step = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["position"]
    assert (epoch, step) in [(1, 3), (1, 6)]  # in the middle of an epoch of eight steps
    seen: list[Step] = []
    loop.train(dataset, tmp_path, TINY, execution=EXECUTION, progress=seen.append)
    assert seen[0].message == f"resuming from epoch {epoch + 1}, step {step}"
    assert losses(tmp_path) == losses(never_killed)
    assert len(events(tmp_path)) == len(events(never_killed))
    assert events(tmp_path, "val") == events(never_killed, "val")
    assert_same_weights(weights(tmp_path), weights(never_killed))


@pytest.mark.parametrize(("before", "after"), [("fp32", "fp16"), ("fp16", "fp32")])
def test_a_stopped_run_may_go_on_in_another_precision(dataset, tmp_path, before, after):
    def stop(step):
        if "step 4/" in step.message:
            raise KeyboardInterrupt

    one = TINY.with_epochs(1)
    with pytest.raises(KeyboardInterrupt):
        loop.train(
            dataset, tmp_path, one, execution=EXECUTION._replace(precision=before), progress=stop
        )
    loop.train(dataset, tmp_path, one, execution=EXECUTION._replace(precision=after))
    assert list(losses(tmp_path)) == [(0, step + 1) for step in range(STEPS)]


def test_a_stopped_run_with_augmentation_ends_as_one_that_was_not(dataset, tmp_path):
    strong = dataclasses.replace(
        TINY.with_epochs(1),
        pixels=dataclasses.replace(
            TINY.pixels,
            policy=RandAugment(),
            color_jitter=ColorJitter(brightness=0.4, hue=0.1),
            erasing=Erasing(probability=0.5),
            mix=Mix(cutmix_alpha=1.0),
            repeats=2,
        ),
    )

    def stop(step):
        if "step 5/" in step.message:
            raise KeyboardInterrupt

    loop.train(dataset, tmp_path / "whole", strong, execution=EXECUTION)
    with pytest.raises(KeyboardInterrupt):
        loop.train(dataset, tmp_path / "stopped", strong, execution=EXECUTION, progress=stop)
    seen: list[Step] = []
    loop.train(dataset, tmp_path / "stopped", strong, execution=EXECUTION, progress=seen.append)
    assert seen[0].message == "resuming from epoch 1, step 3"
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    assert_same_weights(weights(tmp_path / "stopped"), weights(tmp_path / "whole"))


def test_half_a_line_of_a_killed_run_is_cut(dataset, tmp_path):
    one = TINY.with_epochs(1)
    loop.train(dataset, tmp_path, one, execution=EXECUTION)
    whole = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(whole + b'{"event": "train", "epoch": 1, "st')
    loop.train(dataset, tmp_path, one, execution=EXECUTION)
    assert (tmp_path / "log.jsonl").read_bytes() == whole
