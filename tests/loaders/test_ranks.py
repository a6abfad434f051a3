"""Who says which rank a loader is, and that ranks together see every record exactly once."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imnet_data as imnet
from imnet_data.loaders import ranks
from imnet_data.machine.limits import cores
from imnet_data.synth import synth

TRAIN = imnet.TrainRecipe(size=32)
EVALUATE = imnet.EvalRecipe(resize=36, crop=32)
README = Path(__file__).parents[2] / "README.md"
VARIABLES = re.compile(r"RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|(OMPI|PMI|SLURM|MPI)_\w+")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset of 24 images to train with and 9 to evaluate on."""
    folder = tmp_path_factory.mktemp("ranks")
    synth(
        folder / "in",
        class_count=3,
        images_per_class=8,
        val_per_class=3,
        test_count=1,
        mean_nbytes=3000,
    )
    imnet.convert([folder / "in"], folder / "out", format="webdataset", workers=1)
    return folder / "out"


@pytest.fixture
def launched(monkeypatch):
    """Set the variables of a launcher, and no others."""

    def set_variables(**variables):
        for name in list(os.environ):
            if VARIABLES.fullmatch(name):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    set_variables()
    return set_variables


def environment():
    """Return what a process is started with that no launcher has started."""
    kept = {name: text for name, text in os.environ.items() if not VARIABLES.fullmatch(name)}
    package = str(Path(imnet.__file__).parents[1])
    return kept | {"PYTHONPATH": package, "OMP_NUM_THREADS": "1"}


LAUNCHERS = {
    "torchrun": {"RANK": 2, "WORLD_SIZE": 3},
    "srun": {"SLURM_PROCID": 2, "SLURM_NTASKS": 3, "SLURM_STEP_NUM_TASKS": 3},
    "mpirun of Open MPI": {"OMPI_COMM_WORLD_RANK": 2, "OMPI_COMM_WORLD_SIZE": 3},
    "mpirun of MPICH": {"PMI_RANK": 2, "PMI_SIZE": 3},
    "torchrun in srun": {
        "SLURM_PROCID": 1,
        "SLURM_STEP_NUM_TASKS": 2,
        "RANK": 2,
        "WORLD_SIZE": 3,
    },
}


@pytest.mark.parametrize("variables", LAUNCHERS.values(), ids=LAUNCHERS)
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_of_a_launcher_see_every_record_exactly_once(root, launched, variables, world_size):
    seen = []
    for rank in range(world_size):
        launched(
            **{name: rank if re.search("RANK|PROCID", name) else world_size for name in variables}
        )
        with imnet.open_loader(root, EVALUATE, batch_size=2) as loader:
            assert (loader.schedule.rank, loader.schedule.world_size) == (rank, world_size)
            seen += [batch.indices for batch in loader.epoch(0)]
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), np.arange(9))


@pytest.mark.parametrize("variables", LAUNCHERS.values(), ids=LAUNCHERS)
def test_the_innermost_launcher_is_asked_and_what_is_passed_wins(root, launched, variables):
    launched(**variables)
    each: list[tuple[dict[str, Any], tuple[int, int]]] = [
        ({}, (2, 3)),
        ({"rank": 0, "world_size": 1}, (0, 1)),
        ({"rank": 1}, (1, 3)),
        ({"world_size": 4}, (2, 4)),
    ]
    for passed, expected in each:
        with imnet.open_loader(root, TRAIN, batch_size=2, **passed) as loader:
            assert (loader.schedule.rank, loader.schedule.world_size) == expected


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SLURM_PROCID": 0, "SLURM_NTASKS": 8},  # the script of a job, which srun did not start
        {"SLURM_PROCID": 0, "SLURM_NTASKS": 8, "SLURM_STEP_NUM_TASKS": 1},  # an interactive shell
        {"SLURM_PROCID": 1, "SLURM_STEP_NUM_TASKS": 2, "RANK": 0, "WORLD_SIZE": 1},
        {"WORLD_SIZE": 2, "LOCAL_RANK": 1},  # as Lightning starts its ranks
    ],
    ids=str,
)
def test_a_process_that_is_no_rank_of_several_is_alone(root, launched, variables):
    launched(**variables)
    with imnet.open_loader(root, TRAIN, batch_size=2) as loader:
        assert (loader.schedule.rank, loader.schedule.world_size) == (0, 1)


def test_variables_that_are_no_rank_are_named(root, launched):
    launched(RANK="zero", WORLD_SIZE=2)
    with pytest.raises(
        ValueError, match=r"RANK is 'zero' in the environment, which is not a number"
    ):
        imnet.open_loader(root, TRAIN, batch_size=2)
    launched(PMI_RANK=2, PMI_SIZE=2)
    with pytest.raises(ValueError, match=r"PMI_RANK is 2 and PMI_SIZE is 2, which is not a rank"):
        imnet.open_loader(root, TRAIN, batch_size=2)


def test_ranks_of_a_machine_share_its_cores(launched, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert ranks.threads_of_rank() == cores() == 8
    step = {"SLURM_STEP_NUM_TASKS": 6, "SLURM_CPUS_ON_NODE": 6}
    for variables, expected in (
        ({"LOCAL_WORLD_SIZE": 3}, 2),
        ({"LOCAL_WORLD_SIZE": 1000}, 1),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": 4}, 2),
        ({"MPI_LOCALNRANKS": 2}, 4),
        ({**step, "SLURM_NTASKS_PER_NODE": 3}, 2),
        ({**step, "SLURM_STEP_TASKS_PER_NODE": "2(x2),1"}, 3),
        ({"SLURM_NTASKS_PER_NODE": 4, "SLURM_STEP_NUM_TASKS": 1}, 8),
    ):
        launched(**variables)
        assert ranks.threads_of_rank() == expected, variables
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {6, 7})  # bound to its share
    launched(OMPI_COMM_WORLD_LOCAL_SIZE=4)
    assert ranks.threads_of_rank() == 2


@pytest.fixture
def group(tmp_path):
    """A process group of one rank."""
    torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    if not torch.distributed.is_available():
        pytest.skip("torch has no torch.distributed")

    def join():
        meeting = f"file://{tmp_path / 'meeting'}"
        torch.distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)

    yield join
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def test_a_group_wins_over_a_launcher_and_refuses_what_is_passed(root, launched, group):
    launched(**LAUNCHERS["srun"])
    group()
    with imnet.open_loader(root, TRAIN, batch_size=2) as loader:
        assert (loader.schedule.rank, loader.schedule.world_size) == (0, 1)
    imnet.open_loader(root, TRAIN, batch_size=2, rank=0, world_size=1).close()
    with pytest.raises(
        ValueError,
        match=r"rank and world_size said rank 1 of 2, and torch.distributed has rank 0 of 1; open",
    ):
        imnet.open_loader(root, TRAIN, batch_size=2, rank=1, world_size=2)


@pytest.mark.parametrize("passed", [{}, {"rank": 1, "world_size": 2}], ids=["launched", "passed"])
def test_a_loader_opened_before_its_group_checks_at_its_first_epoch(root, launched, group, passed):
    launched(RANK=2, WORLD_SIZE=3)
    with imnet.open_loader(root, TRAIN, batch_size=2, **passed) as loader:
        group()
        origin = "rank and world_size" if passed else r"torchrun \(RANK\)"
        with pytest.raises(ValueError, match=f"{origin} said rank .* torch.distributed has rank 0"):
            loader.epoch(0)


_README = """
import sys
{lines}
import torch
for epoch in range(2):
    loader.sampler.set_epoch(epoch)
    print(*[index for batch in loader.epoch(epoch) for index in batch.indices.tolist()], flush=True)
"""


@pytest.mark.slow
def test_the_three_lines_of_readme_are_enough_under_torchrun(root, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    section = README.read_text().partition("## In your trainer\n")[2]
    lines = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0]
    lines = lines.replace("/fast/imagenet", str(root)).replace("batch_size=256", "batch_size=4")
    (tmp_path / "script.py").write_text(_README.format(lines=lines))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "--redirects", "3", "--log-dir", str(tmp_path / "log")]
    command += [str(tmp_path / "script.py")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    logs = sorted((tmp_path / "log").rglob("stdout.log"))
    assert len(logs) == 2
    epochs = zip(*[log.read_text().splitlines() for log in logs], strict=True)
    orders = [" ".join(parts).split() for parts in epochs]
    assert [sorted(map(int, order)) for order in orders] == [list(range(24))] * 2
    assert orders[0] != orders[1]


_MEMBER = """
import sys
import imnet_data as imnet
early = imnet.open_loader(sys.argv[1], imnet.EvalRecipe(resize=36, crop=32), batch_size=2)
used = imnet.open_loader(sys.argv[1], imnet.TrainRecipe(size=32), batch_size=2)
assert "torch" not in sys.modules
assert (early.batch_size, len(used)) == (2, 12)
import torch.distributed as dist
rank = int(sys.argv[3])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
print(*[index for batch in early.epoch(0) for index in batch.indices.tolist()])
try:
    used.epoch(0)
except ValueError as error:
    print(str(error).partition(";")[0])
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_a_loader_opened_before_anybody_has_said_its_rank_takes_it_from_the_group(root, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    members = [
        subprocess.Popen(
            [sys.executable, "-c", _MEMBER, str(root), str(tmp_path / "meeting"), str(rank)],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [member.communicate(timeout=300)[0].splitlines() for member in members]
    seen = " ".join(lines[0] for lines in told).split()
    assert sorted(map(int, seen)) == list(range(9))
    for rank, lines in enumerate(told):
        assert lines[1] == (
            f"the loader was used as rank 0 of 1, and torch.distributed has rank {rank} of 2"
        )
