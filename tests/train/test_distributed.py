"""Two processes that train together.

BatchNorm's statistics are those of each rank's images, and SyncBatchNorm does not exist on the CPU:
so the model that is compared has GroupNorm.
"""

import dataclasses
import socket
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from training_kit import EXECUTION, SCRIPT, TINY, environment, events, losses, weights

from imnet_data.train import loop
from imnet_data.train.distributed import Ranks, device_of_rank
from imnet_data.train.learner import Learner

# counts what rank 0 sends, and writes the number beside the run
COUNTING = """
import dataclasses
import torch.distributed as dist

sent, broadcast = [], dist.broadcast
dist.broadcast = lambda *arguments: sent.append(broadcast(*arguments))
{script}
Path(sys.argv[2] + "-sent").write_text(str(len(sent)))
"""


def launch(script, *arguments):
    """Run a script as two ranks."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(script), *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_two_ranks_train_and_validate_as_one(dataset, tmp_path):
    recipe = dataclasses.replace(TINY.with_epochs(1), model="resnet10_gn")
    loop.train(dataset, tmp_path / "one", recipe, execution=EXECUTION)
    script = tmp_path / "script.py"
    text = 'dataclasses.replace(TINY.with_epochs(1), model="resnet10_gn")'
    script.write_text(COUNTING.format(script=SCRIPT.format(recipe=text)))
    done = launch(script, dataset, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
    assert events(tmp_path / "two", "val") == events(tmp_path / "one", "val")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-2, atol=1e-3)
    # one message for each checkpoint, after steps 3, 6 and 8, the last of which is validated too
    assert (tmp_path / "two-sent").read_text() == "3"


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0, 1])
def test_the_error_of_one_rank_ends_the_others(tmp_path, failing):
    """No launcher is there to end them, as there is under torchrun."""
    code = """
import os, sys
import torch
from imnet_data.train.distributed import joined

with joined("cpu") as ranks:
    for step in range(1000):
        if step == 3 and ranks.rank == int(sys.argv[1]):
            raise ValueError(f"the error of rank {ranks.rank}")
        ranks.sum(torch.ones(8))
"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(failing)],
            env=environment() | meeting | {"RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:  # less than the ten minutes after which a rank would end by itself
        said = [rank.communicate(timeout=300)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [1, 1]
    assert f"ValueError: the error of rank {failing}" in said[failing]
    assert "RuntimeError" in said[1 - failing]


@pytest.mark.parametrize(
    ("local_rank", "gpu_count", "expected"),
    [(0, 1, "cuda:0"), (3, 1, "cuda:0"), (3, 4, "cuda:3"), (3, 2, "cuda:3"), (0, 0, "cuda:0")],
)
def test_a_process_that_sees_one_gpu_takes_it(local_rank, gpu_count, expected):
    """With fewer GPUs than ranks, `joined` refuses the one that is not there."""
    assert device_of_rank(local_rank, gpu_count) == expected


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_what_is_compiled_sums_the_gradients_too(tmp_path):
    """So that torch.compile can put the sums between its parts; compiled alone it cannot."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", world_size=1, rank=0
    )
    try:
        learner = Learner(
            4,
            dataclasses.replace(TINY, model="resnet10_gn"),
            seed=0,
            execution=EXECUTION._replace(compiles=True),
            start=None,
            ranks=Ranks(0, 2, torch.device("cpu")),
        )
        compiled: Any = learner._trained
        assert isinstance(compiled._orig_mod, DistributedDataParallel)
        assert compiled._orig_mod.module is learner.model
    finally:
        torch.distributed.destroy_process_group()
