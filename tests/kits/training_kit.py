"""A training run that takes seconds, and what it left behind."""

import dataclasses
import json
import os
from pathlib import Path

import torch

from imnet_data.train import recipes
from imnet_data.train.execution import Execution
from imnet_data.transforms import EvalRecipe, TrainRecipe

# 64 images for training, 28 for validation, four classes
TINY = dataclasses.replace(
    recipes.get("demo").with_batch_size(8).with_epochs(3),
    pixels=TrainRecipe(size=32, scale=(0.5, 1.0)),
    val_pixels=EvalRecipe(resize=36, crop=32),
)
STEPS = 8  # an epoch of TINY
EXECUTION = Execution(is_deterministic=True, loader_threads=1, log_every=1, checkpoint_every=3)


def events(out, kind="train"):
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    found = [line for line in lines if line["event"] == kind]
    assert found, f"{out} tells of no {kind}"
    return found


def losses(out):
    return {(event["epoch"], event["step"]): event["loss"] for event in events(out)}


def weights(out):
    return torch.load(out / "weights.pt", weights_only=True)["state_dict"]


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


# what a process runs, with a dataset and the folder of the run behind it
SCRIPT = """
import sys
from pathlib import Path

import torch
from training_kit import EXECUTION, TINY

from imnet_data.train import loop

torch.set_num_threads(1)
loop.train(Path(sys.argv[1]), Path(sys.argv[2]), {recipe}, execution=EXECUTION)
"""


def environment():
    """Let a process find the package and this file, and use one thread."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent.parent)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
