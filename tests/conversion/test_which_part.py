"""Which part of a conversion a process does, by what launchers put into its environment."""

import pytest

from imnet_data.conversion import which_part
from imnet_data.conversion.which_part import Part

LAUNCHERS = ("SLURM_", "JOB_COMPLETION", "OMPI_", "PMI_")


@pytest.fixture(autouse=True)
def _no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [*os.environ]:
        if name.startswith(LAUNCHERS) or name in {"RANK", "WORLD_SIZE"}:
            monkeypatch.delenv(name)


def array(task: int, first: int, last: int, count: int, step: int = 1) -> dict[str, str]:
    return {
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_ARRAY_TASK_MIN": str(first),
        "SLURM_ARRAY_TASK_MAX": str(last),
        "SLURM_ARRAY_TASK_COUNT": str(count),
        "SLURM_ARRAY_TASK_STEP": str(step),
    }


STEP = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"}


@pytest.mark.parametrize(
    ("environment", "part", "said"),
    [
        (array(0, 0, 15, 16), (1, 16), "SLURM_ARRAY_TASK_ID"),
        (array(16, 1, 16, 16), (16, 16), "SLURM_ARRAY_TASK_ID"),
        (array(6, 0, 30, 16, step=2), (4, 16), "SLURM_ARRAY_TASK_ID"),
        (array(5, 5, 5, 1), (1, 1), "SLURM_ARRAY_TASK_ID"),  # one task alone does all that is left
        (STEP, (4, 8), "SLURM_PROCID"),
        (array(2, 1, 4, 4) | STEP, (12, 32), "SLURM_ARRAY_TASK_ID and SLURM_PROCID"),
        ({"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "12"}, (1, 12), "JOB_COMPLETION_INDEX"),
        ({"RANK": "7", "WORLD_SIZE": "8"}, (8, 8), "RANK"),
        ({"RANK": "1", "WORLD_SIZE": "2", **STEP}, (2, 2), "RANK"),  # torchrun in srun
        (
            {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"},
            (2, 3),
            "OMPI_COMM_WORLD_RANK",
        ),
    ],
)
def test_auto_reads_what_launchers_say(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    part: tuple[int, int],
    said: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert which_part.chosen("auto") == (Part(*part), said)
    assert which_part.chosen("2/3") == (Part(2, 3), "as told")  # what is told comes first


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "the environment has no number for this process"),
        (array(7, 1, 7, 3), "which is not a range, so task 7 has no part of its own"),
        (array(3, 2, 7, 3, step=2), "which is not a range"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_MIN is '' in the environment"),
        ({"JOB_COMPLETION_INDEX": "3"}, "Kubernetes does not say of how many; set JOB_COMPLETIONS"),
        ({"RANK": "8", "WORLD_SIZE": "8"}, "RANK is 8 and WORLD_SIZE is 8, which numbers no part"),
        ({"RANK": "x", "WORLD_SIZE": "8"}, "RANK is 'x' in the environment"),
        # of a job script that srun has not started, it is the number of another thing
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, "no number for this process"),
    ],
)
def test_an_environment_that_numbers_no_part_is_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        which_part.chosen("auto")


@pytest.mark.parametrize("part", ["0/4", "5/4", "4", "a/b", "-1/4", "1/4/2", "", "1/0"])
def test_what_is_no_part_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match=f"part is {part!r}; allowed are auto, and a part"):
        which_part.chosen(part)


def test_every_job_is_in_exactly_one_part_and_splits_are_spread() -> None:
    jobs = list(range(103))
    parts = [Part(number, 16).of(jobs) for number in range(1, 17)]
    assert sorted(job for part in parts for job in part) == jobs
    assert {len(part) for part in parts} == {6, 7}
