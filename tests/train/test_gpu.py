"""The loop on a GPU.

Its convolutions round what they multiply to 11 bits (TF32). Done on the CPU, that moves the first
loss by 0.0002 of it, and the later ones by more, as errors grow.
"""

import os

import pytest
import torch
from training_kit import EXECUTION, TINY, assert_same_weights, events, losses, weights

from imnet_data.train import loop

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CUDA = EXECUTION._replace(device="cuda", channels_last=True)
# cuBLAS asks for it once, at its first product in the process: which may be that of another test
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_loss_falls_and_every_record_is_validated(dataset, tmp_path, precision):
    loop.train(dataset, tmp_path, TINY, execution=CUDA._replace(precision=precision))
    curve = list(losses(tmp_path).values())
    assert sum(curve[-8:]) < 0.9 * sum(curve[:8])
    assert events(tmp_path, "val")[-1]["records"] == 28


def test_two_runs_of_one_seed_are_the_same_on_a_gpu(dataset, tmp_path):
    for name in ("one", "two"):
        loop.train(dataset, tmp_path / name, TINY.with_epochs(1), execution=CUDA)
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    assert_same_weights(weights(tmp_path / "one"), weights(tmp_path / "two"))


def test_the_first_loss_is_that_of_the_cpu(dataset, tmp_path):
    one = TINY.with_epochs(1)
    loop.train(dataset, tmp_path / "gpu", one, execution=CUDA)
    loop.train(dataset, tmp_path / "cpu", one, execution=EXECUTION)
    assert losses(tmp_path / "gpu")[0, 1] == pytest.approx(losses(tmp_path / "cpu")[0, 1], rel=2e-3)
