"""Several processes convert one dataset, each a part of it; no lock is shared."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import killed
import paused
import pytest
from click.testing import CliRunner

from imnet_data import convert_part, join
from imnet_data.cli import main
from imnet_data.conversion import shared_plan, sharing
from imnet_data.conversion.convert import convert
from imnet_data.conversion.sharing import Place
from imnet_data.dataset.description import Options
from imnet_data.errors import ConvertError, ImageError
from imnet_data.verification.verify import verify

SHARDS = Options(shard_nbytes=64_000)
Command = Callable[..., list[str]]


def sums(root: Path) -> bytes:
    return (root / "SHA256SUMS").read_bytes()


def all_names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_parts_one_after_another_make_the_bytes_of_one_process(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, format_name: str
) -> None:
    out = tmp_path / "out"
    ended = [
        convert_part([tarballs], out, part=f"{n}/3", format=format_name, options=SHARDS, workers=1)
        for n in (2, 1, 3)
    ]
    assert [about is None for about in ended] == [True, True, False]
    assert sums(out) == sums(made[format_name])
    assert all_names(out) == all_names(made[format_name])
    assert verify(out) == []


def test_parts_at_the_same_time_make_the_bytes_of_one_process(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out"

    def run(number: int) -> str:
        words = command(tarballs, out, "webdataset", "--workers", "1", "--part", f"{number}/5")
        return subprocess.run(words, capture_output=True, text=True, check=False).stderr

    with ThreadPoolExecutor(5) as threads:
        assert list(threads.map(run, range(1, 6))) == [""] * 5
    assert sums(out) == sums(made["webdataset"])
    assert all_names(out) == all_names(made["webdataset"])


def test_more_parts_than_shards_and_other_counts_than_before_do_no_harm(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    convert_part([tarballs], out, part="2/3", format="beton", options=Options(shard_nbytes=64_000))
    count = 16
    ended = [
        convert_part([tarballs], out, part=f"{n}/{count}", format="beton", options=SHARDS)
        for n in range(1, count + 1)
    ]
    assert ended[-1] is not None
    assert sums(out) == sums(made["beton"])


def test_a_part_writes_every_so_manieth_shard(tarballs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    convert_part([tarballs], out, part="3/7", options=SHARDS, workers=1)
    there = {path.name for path in Place(out).shared.rglob("*.tar")}
    heads = {path.stem for path in Place(out).journals.glob("*.json")}
    plan = json.loads(Place(out).plan.read_text())
    every = [
        f"{split}-{n:06d}"
        for split, said in plan["splits"].items()
        for n in range(said["shard_count"])
    ]
    assert heads == set(every[2::7])
    assert len(there) == len(heads) >= 2
    assert not (out / "dataset.json").exists()
    with pytest.raises(
        ConvertError, match=r"\d+ of \d+ shards are not there yet .*part.* 1/7, 2/7, 4/7"
    ):
        join(out)


# killed, and gone on


@pytest.mark.parametrize("name", ["webdataset", "folder"])
def test_a_part_killed_at_twenty_moments_goes_on_and_ends_in_the_same_bytes(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, name: str
) -> None:
    chosen, out, interrupted = random.Random(17), tmp_path / "out", 0
    work = partial(convert_part, [tarballs], out, format=name, options=SHARDS, workers=1)
    for _ in range(20):
        before = len(list(Place(out).journals.glob("*.json")))
        calls = chosen.randrange(30_000)
        moment = killed.after_calls(calls, since="attempts/00001-*/journals")
        interrupted += killed.killed(partial(work, part="1/2"), moment)
        assert len(list(Place(out).journals.glob("*.json"))) >= before  # nothing done is undone
        assert {path.name for path in out.iterdir()} == {".part"}
    assert interrupted >= 10
    work(part="1/2")
    assert not list(Place(out).attempts.glob("*"))  # what was killed is cleared away
    work(part="2/2")
    assert sums(out) == sums(made[name])
    assert all_names(out) == all_names(made[name])


def test_a_join_killed_before_each_of_its_renames_is_finished_by_the_next(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    complete = complete_parts(tarballs, tmp_path / "complete")
    interrupted = 0
    while True:
        out = Path(shutil.copytree(complete, tmp_path / f"out-{interrupted}"))
        moment = killed.at_rename("*", 1 + 4 * interrupted)
        if not killed.killed(partial(join, out, workers=1), moment):
            break
        interrupted += 1
        assert not (out / "dataset.json").exists()
        join(out, workers=1)
        assert sums(out) == sums(made["webdataset"])
        assert all_names(out) == all_names(made["webdataset"])
    assert interrupted >= 5


def complete_parts(tarballs: Path, out: Path) -> Path:
    """Return parts that are all done, of which the last was killed before it joined them."""
    convert_part([tarballs], out, part="1/2", options=SHARDS, workers=1)
    code = (
        "import sys, os; from imnet_data import Options, convert_part;"
        "from imnet_data.conversion import join;"
        "join.assemble = lambda *_: os._exit(9);"
        f"convert_part([{str(tarballs)!r}], {str(out)!r}, part='2/2', workers=1,"
        " options=Options(shard_nbytes=64_000))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert {path.name for path in out.iterdir()} == {".part"}
    return out


def test_several_joins_at_the_same_time_all_end_well(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    out = complete_parts(tarballs, tmp_path / "out")
    words = [sys.executable, "-m", "imnet_data", "join", str(out), "--workers", "1"]
    processes = [subprocess.Popen(words, stderr=subprocess.PIPE) for _ in range(6)]
    ended = [(process.communicate()[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0] * 6, ended
    assert sums(out) == sums(made["webdataset"])
    assert all_names(out) == all_names(made["webdataset"])


def test_a_second_run_of_a_part_takes_over_from_the_first(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out"
    words = command(tarballs, out, "webdataset", "--workers", "1", "--part", "1/2")
    first, (worker,) = paused.started(words, 1)
    assert not list(Place(out).journals.glob("*.json"))
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    assert list(Place(out).journals.glob("*.json"))
    os.kill(worker, signal.SIGCONT)
    _, message = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "another run of the same part has begun since" in message
    assert len(message.strip().splitlines()) == 1
    convert_part([tarballs], out, part="2/2", options=SHARDS, workers=1)
    assert sums(out) == sums(made["webdataset"])


def test_a_shard_that_was_lost_or_cut_is_written_again(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    out = complete_parts(tarballs, tmp_path / "out")
    shards = sorted(Place(out).shared.rglob("*.tar"))
    shards[0].unlink()
    os.truncate(shards[3], 1000)
    with pytest.raises(ConvertError, match=r"2 of \d+ shards are not there yet"):
        join(out)
    for part in ("1/2", "2/2"):
        convert_part([tarballs], out, part=part, options=SHARDS, workers=1)
    assert sums(out) == sums(made["webdataset"])
    assert verify(out) == []


# refused


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"options": Options(shard_nbytes=64_000, seed=3)}, r"options \(seed 0, not 3\)"),
        ({"format": "lmdb"}, r"format \(webdataset, not lmdb\)"),
        ({"split": "val"}, "splits"),
    ],
)
def test_a_part_with_other_options_is_refused_by_name(
    tarballs: Path, tmp_path: Path, asked: dict[str, Any], said: str
) -> None:
    out = tmp_path / "out"
    convert_part([tarballs], out, part="1/2", options=SHARDS, workers=1)
    before = all_names(out)
    with pytest.raises(ConvertError, match=f"the other parts have another .*{said}"):
        convert_part([tarballs], out, part="2/2", workers=1, **{"options": SHARDS, **asked})
    assert all_names(out) == before


def test_a_part_with_another_source_is_refused_by_name(tarballs: Path, tmp_path: Path) -> None:
    source = Path(shutil.copytree(tarballs, tmp_path / "tarballs"))
    out = tmp_path / "out"
    convert_part([source], out, part="1/2", options=SHARDS, workers=1)
    val = source / "ILSVRC2012_img_val.tar"
    status = val.stat()
    os.utime(val, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(ConvertError, match=rf"{val}: is not what the other parts in {out} read"):
        convert_part([source], out, part="2/2", options=SHARDS, workers=1)


@pytest.mark.parametrize("name", ["imnet-data", "dataset version"])
def test_a_part_and_a_join_of_another_version_are_refused_by_name(
    tarballs: Path, tmp_path: Path, name: str
) -> None:
    out = complete_parts(tarballs, tmp_path / "out")
    plan = Place(out).plan
    plan.write_text(re.sub(rf'("{name}": )"[^"]*"', r'\1"0"', plan.read_text()))
    with pytest.raises(ConvertError, match=rf"another software \({name} 0, not "):
        convert_part([tarballs], out, part="2/2", options=SHARDS, workers=1)
    with pytest.raises(ConvertError, match=rf"another software \({name} 0, not "):
        join(out)


def test_one_process_and_parts_do_not_mix_and_strangers_are_left_alone(
    tarballs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    convert_part([tarballs], out, part="1/2", options=SHARDS, workers=1)
    with pytest.raises(ConvertError, match="contains parts of an unfinished conversion"):
        convert([tarballs], out, options=SHARDS)
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(ConvertError, match=r"neither empty \(there is thesis.txt\)"):
        convert_part([tarballs], out, part="2/2", options=SHARDS)
    other = tmp_path / "other"
    (other / ".part").mkdir(parents=True)
    (other / ".part" / "lock").touch()
    with pytest.raises(ConvertError, match="unfinished conversion that is no part of several"):
        convert_part([tarballs], other, part="1/2", options=SHARDS)
    assert (out / "thesis.txt").read_text() == "mine"


def test_nothing_is_left_of_a_part_that_cannot_begin(tarballs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConvertError):
        convert_part([tarballs], tmp_path / "out", part="1/2", options=Options(raw=0.5))
    assert not (tmp_path / "out").exists()


def test_refused_images_are_listed_and_the_other_shards_are_done(
    tarballs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    strict = Options(shard_nbytes=64_000, bad="error")
    seen = []
    for part in ("1/2", "2/2"):
        with pytest.raises(ImageError) as caught:
            convert_part([tarballs], out, part=part, options=strict, workers=1)
        seen.append(str(caught.value))
    assert all("start every part with `--bad skip` or `--bad keep`" in text for text in seen)
    assert any(Place(out).journals.glob("*.json"))


def test_a_finished_dataset_is_left_as_it_is(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    out = Path(shutil.copytree(made["webdataset"], tmp_path / "out"))
    about = convert_part([tarballs], out, part="1/2", options=SHARDS, workers=1)
    assert about == join(out)
    with pytest.raises(ConvertError, match="choose another OUT, or remove it"):  # no --force here
        convert_part([tarballs], out, part="1/2", options=Options(limit=3), workers=1)
    assert all_names(out) == all_names(made["webdataset"])
    with pytest.raises(ConvertError, match="no parts to join"):
        join(tmp_path / "nowhere")


def test_the_last_of_two_parts_that_end_together_sees_all(tarballs: Path, tmp_path: Path) -> None:
    """The note that a part has ended is made before the shards are listed, in the same folder."""
    out = complete_parts(tarballs, tmp_path / "out")
    plan = shared_plan.read(Place(out).plan)
    assert sharing.have_ended(Place(out), plan, "00002-of-00002")
    next(Place(out).journals.glob("val-*.json")).unlink()
    assert not sharing.have_ended(Place(out), plan, "00002-of-00002")


# what job arrays say: the examples of docs/distributed.md


def scripts() -> dict[str, str]:
    page = Path(__file__).parents[2] / "docs" / "distributed.md"
    blocks = re.findall(r"^```(bash|yaml)\n(.*?)^```$", page.read_text(), re.M | re.S)
    found = {language: code for language, code in blocks if "--part" in code}
    assert set(found) == {"bash", "yaml"}
    return found


Task = Callable[[str, dict[str, str]], str]


@pytest.fixture
def run_as_task(tarballs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    """Run a line of an example as one task of an array runs it, in a folder with tarballs."""
    (tmp_path / "tarballs").symlink_to(tarballs)
    monkeypatch.chdir(tmp_path)

    def run(line: str, environment: dict[str, str]) -> str:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        program, *words = shlex.split(line)
        assert program == "imnet-data"
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_the_slurm_example_makes_the_dataset(
    tarballs: Path, tmp_path: Path, run_as_task: Task
) -> None:
    script = scripts()["bash"]
    first, last = map(int, re.findall(r"--array=(\d+)-(\d+)", script)[0])
    (line,) = [line.removeprefix("srun ") for line in script.splitlines() if "--part auto" in line]
    count = last - first + 1
    assert count > 4
    for task in range(first, last + 1):
        environment = {
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": str(first),
            "SLURM_ARRAY_TASK_MAX": str(last),
            "SLURM_ARRAY_TASK_STEP": "1",
            "SLURM_ARRAY_TASK_COUNT": str(count),
            "SLURM_PROCID": "0",
            "SLURM_STEP_NUM_TASKS": "1",
        }
        said = run_as_task(line, environment)
        assert f"part {task - first + 1}/{count}: SLURM_ARRAY_TASK_ID" in said
    convert([tarballs], tmp_path / "one")
    assert sums(tmp_path / "imagenet") == sums(tmp_path / "one")
    (after,) = re.findall(r"--wrap '(imnet-data join .*)'", script)
    assert run_as_task(after, {}).startswith("imagenet: webdataset")


def test_the_kubernetes_example_makes_the_dataset(
    tarballs: Path, tmp_path: Path, run_as_task: Task
) -> None:
    manifest = scripts()["yaml"]
    assert "completionMode: Indexed" in manifest
    (completions,) = map(int, re.findall(r"completions: (\d+)", manifest))
    (parallelism,) = map(int, re.findall(r"parallelism: (\d+)", manifest))
    (variable,) = re.findall(r'name: JOB_COMPLETIONS, value: "(\d+)"', manifest)
    assert completions == int(variable) >= parallelism
    (command,) = re.findall(r"command: (\[.*\])", manifest)
    line = shlex.join(json.loads(command)).replace("/data/", f"{tmp_path}/")
    for index in range(completions):
        environment = {"JOB_COMPLETION_INDEX": str(index), "JOB_COMPLETIONS": variable}
        said = run_as_task(line, environment)
        assert f"part {index + 1}/{completions}: JOB_COMPLETION_INDEX" in said
    convert([tarballs], tmp_path / "one")
    assert sums(tmp_path / "imagenet") == sums(tmp_path / "one")


def test_the_command_line_says_what_is_left_to_do(
    tarballs: Path, tmp_path: Path, command: Command
) -> None:
    out = tmp_path / "out"
    words = command(tarballs, out, "webdataset", "--part", "2/2")
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.endswith(
        f"{out}: this part is done, and others are not yet; the last one joins them, or "
        "`imnet-data join OUT` does\n"
    )
    early = subprocess.run(
        [sys.executable, "-m", "imnet_data", "join", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert early.returncode == 1
    assert "of part 1/2; run what is missing, then join again" in early.stderr
    forced = subprocess.run([*words, "--force"], capture_output=True, text=True, check=False)
    assert forced.returncode == 2
    assert "--force does not go with --part" in forced.stderr
