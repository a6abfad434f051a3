"""Shards as tasks of a Ray cluster; the dataset is the one that this machine would have made."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from imnet_data import convert_part
from imnet_data.cli import main
from imnet_data.conversion import on_ray
from imnet_data.conversion.sharing import Place
from imnet_data.conversion.written import ShardJob
from imnet_data.dataset import description
from imnet_data.dataset.description import Options
from imnet_data.errors import ClusterError
from imnet_data.machine.pool import Counter
from imnet_data.verification import verify
from imnet_data.verification.location import Folder
from imnet_data.verification.shard import Checking, FileJob

pytest.importorskip("ray", reason="Ray is not installed")

import ray_kit
import source_layouts
import store_kit
from ray_kit import RayCluster

SHARDS, SHARD_COUNT = Options(shard_nbytes=64_000), 17


@pytest.fixture(scope="module")
def store(store_port: int) -> Iterator[store_kit.Front]:
    """A server in front of the store, for the commands and the tasks."""
    front = store_kit.Front(store_port)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in store_kit.environment(front.port).items():
            patch.setenv(name, value)
        yield front
    front.close()


@pytest.fixture(scope="module")
def cluster(store: store_kit.Front) -> Iterator[RayCluster]:
    """A cluster with two CPUs on one machine, and none on the head."""
    del store
    with ray_kit.cluster() as started:
        yield started


def sums(root: Path) -> bytes:
    return (root / "SHA256SUMS").read_bytes()


def all_names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def run(words: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def said(message: str) -> list[str]:
    """Return the lines on stderr but for those of progress, which a slow machine has.

    Ray's core writes lines of its own, such as that nobody was there any more to be told of a
    task's error. The variable that stops them has a line of its own, for every command.
    """
    others = re.compile(r"convert |verify |manifest of |list |\[[^]]+\] \w+\.cc:\d+: ")
    return [line for line in message.splitlines() if line and not others.match(line)]


def convert_words(source: Path | str, out: Path | str, *more: str) -> list[str]:
    return [sys.executable, "-m", "imnet_data", "convert", str(source), str(out), *more]


_SEVERAL = """
import json, sys, ray
from pathlib import Path
from imnet_data import Options, convert_on_ray

ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
out = Path(sys.argv[1])
for name, (source, format) in json.loads(sys.argv[2]).items():
    convert_on_ray([source], out / name, format=format, options=Options(shard_nbytes=64_000))
assert ray.is_initialized()
"""


def test_a_callers_connection_is_used_and_gives_the_bytes_of_one_machine(
    tarballs: Path, made: dict[str, Path], tmp_path: Path
) -> None:
    jobs = {name: (str(tarballs), name) for name in ("webdataset", "folder", "beton", "parquet")}
    jobs["of-a-dataset"] = (str(made["lmdb"]), "webdataset")
    out = tmp_path / "out"
    words = [sys.executable, "-c", _SEVERAL, str(out), json.dumps(jobs)]
    with ray_kit.environment() as variables:
        done = run(words, env=variables)
    assert done.returncode == 0, done.stderr
    for name, (_, format) in jobs.items():
        assert sums(out / name) == sums(made[format]), name
        assert all_names(out / name) == all_names(made[format]), name


_IN_STORE = """
import sys, ray
from pathlib import Path
from imnet_data import ImnetError, Options, convert, convert_on_ray, verify
from imnet_data.errors import ImageError
from imnet_data.storage.download import content
from imnet_data.storage.store import open_store

tarballs, dataset, out = sys.argv[1:]
store = open_store("s3://bucket/for-ray")
for path in Path(tarballs).iterdir():
    store.write(path.name, path)
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
convert_on_ray(["s3://bucket/for-ray"], out, options=Options(shard_nbytes=64_000))
assert verify(dataset, ray="auto") == []
steps = []
archive = "s3://bucket/for-ray/ILSVRC2012_img_val.tar"
found = verify(archive, ray="auto", progress=steps.append)
assert found and found == verify(archive)
assert {step.task for step in steps} == {"verify tarballs"}

convert_on_ray(tarballs, "s3://bucket/by-ray", options=Options(shard_nbytes=64_000))
Path(out + "-sums").write_bytes(content(open_store("s3://bucket/by-ray"), "SHA256SUMS"))
strict = Options(shard_nbytes=64_000, bad="error")
for work, place, more in (
    (convert, out + "-one", {}),
    (convert_on_ray, "s3://bucket/strict", {"stage": out + "-stage"}),
):
    try:
        work(tarballs, place, options=strict, **more)
    except ImageError as error:
        assert len(str(error).splitlines()) > 2
(one,), (many,) = (sorted(Path(out + end).rglob("refused.txt")) for end in ("-one", "-stage"))
assert one.read_bytes() == many.read_bytes()
assert [path.name for path in Path(out + "-stage").iterdir()] == [many.parent.name]

try:
    convert_on_ray([dataset], out + "-again")
except ImnetError as error:
    print(error)
"""


def test_the_tasks_read_from_stores_and_write_into_them(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, in_store: dict[str, str], store_port: int
) -> None:
    url = in_store["webdataset"]
    words = [sys.executable, "-c", _IN_STORE, str(tarballs), url, str(tmp_path / "out")]
    with ray_kit.environment() as variables:
        done = run(words, env=variables | store_kit.environment(store_port))
    assert done.returncode == 0, done.stderr
    assert sums(tmp_path / "out") == sums(made["webdataset"])
    assert (tmp_path / "out-sums").read_bytes() == sums(made["webdataset"])
    assert done.stdout.startswith(
        f"{url}: is a dataset in a store, whose index comes to one machine"
    )


def test_a_relative_path_is_the_same_file_for_every_machine(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, cluster: RayCluster
) -> None:
    (tmp_path / "tarballs").symlink_to(tarballs)
    words = convert_words(Path("tarballs"), Path("out"), "--shard-size", "64000", "--ray")
    done = run(words, cwd=tmp_path, env=os.environ | {"RAY_ADDRESS": cluster.address})
    assert (done.returncode, said(done.stderr)) == (0, [])
    assert "Ray: 2 CPUs on 2 machines\n" in done.stdout
    assert sums(tmp_path / "out") == sums(made["webdataset"])


# interrupted


@pytest.fixture(scope="module")
def source(tarballs: Path, store: store_kit.Front) -> str:
    """The tarballs in the store."""
    url = f"s3://{store_kit.BUCKET}/tarballs-for-ray"
    store_kit.upload(tarballs, url)
    return url


def start(words: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def journals(out: Path) -> int:
    return len(list(Place(out).journals.glob("*.json")))


def some_are_done(out: Path, method: str, path: str) -> bool:
    """Return whether a request is for images of a shard, three or more others being done."""
    return method == "GET" and path.endswith(".tar") and journals(out) >= 3


def test_ctrl_c_ends_the_tasks_and_the_same_command_goes_on(
    source: str,
    made: dict[str, Path],
    tmp_path: Path,
    store: store_kit.Front,
    cluster: RayCluster,
) -> None:
    out = tmp_path / "out"
    words = convert_words(source, out, "--shard-size", "64000", f"--ray={cluster.address}")
    process = start(words)
    with store.holding(partial(some_are_done, out)):
        busy = cluster.machine.at_work(Place(out).attempts)
        assert busy
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=60)
        deadline = time.monotonic() + 60
        while not set(busy).isdisjoint(cluster.machine.workers()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert process.returncode == 130, message
    assert said(message) == ["stopped; run the same command again to resume"]
    assert journals(out) < SHARD_COUNT
    assert {path.name for path in out.iterdir()} == {".part"}
    part = run(convert_words(source, out, "--shard-size", "64000", "--part", "1/2"))
    assert "this part is done, and others are not yet" in part.stdout
    done = run(words)
    assert (done.returncode, said(done.stderr)) == (0, [])
    assert sums(out) == sums(made["webdataset"])


def test_a_lost_machine_means_tasks_that_run_again_elsewhere(
    source: str,
    made: dict[str, Path],
    tmp_path: Path,
    store: store_kit.Front,
    cluster: RayCluster,
) -> None:
    out = tmp_path / "out"
    words = convert_words(source, out, "--shard-size", "64000", f"--ray={cluster.address}")
    process = start(words)
    with store.holding(partial(some_are_done, out)):
        busy, before = cluster.machine.at_work(Place(out).attempts), journals(out)
        cluster.lose_machine()
    _, message = process.communicate(timeout=120)
    assert busy
    assert before < SHARD_COUNT
    assert process.returncode == 0, message
    assert said(message) == []
    assert sums(out) == sums(made["webdataset"])


def test_a_machine_that_is_lost_while_it_uploads_leaves_nothing_on_the_stage(
    tarballs: Path,
    made: dict[str, Path],
    tmp_path: Path,
    store: store_kit.Front,
    store_folder: Path,
    cluster: RayCluster,
) -> None:
    stage, url = tmp_path / "stage", f"s3://{store_kit.BUCKET}/{tmp_path.name}"
    words = convert_words(tarballs, url, "--shard-size", "64000", "--stage", str(stage))
    process = start([*words, f"--ray={cluster.address}"])
    with store.holding(lambda method, path: method == "PUT" and path.endswith(".tar")):
        assert list(stage.rglob("*.tar"))
        cluster.lose_machine()
    _, message = process.communicate(timeout=120)
    assert process.returncode == 0, message
    assert sums(store_folder / store_kit.BUCKET / tmp_path.name) == sums(made["webdataset"])
    assert list(stage.iterdir()) == []


# refused


def test_refused_images_are_listed_as_by_one_machine(
    tarballs: Path, tmp_path: Path, cluster: RayCluster
) -> None:
    one = run(convert_words(tarballs, tmp_path / "one", "--bad", "error"))
    out = tmp_path / "many"
    many = run(convert_words(tarballs, out, "--bad", "error", f"--ray={cluster.address}"))
    assert one.returncode == many.returncode == 1
    first, *listed = said(one.stderr)
    counted, _, _ = first.partition("leave such images out")
    assert len(listed) > 2
    again = "run the command again with `--bad skip` or `--bad keep`"
    (lists,) = out.rglob("refused.txt")
    assert said(many.stderr) == [
        f"{counted}remove {out / '.part'}, and {again}:",
        *listed[:-1],
        listed[-1].replace(str(tmp_path / "one" / ".part"), str(lists.parent)),
    ]
    assert lists.read_bytes() == (tmp_path / "one" / ".part" / "refused.txt").read_bytes()


def test_damage_is_the_line_of_one_machine(tmp_path: Path, cluster: RayCluster) -> None:
    archive = source_layouts.kaggle_zip(tmp_path / "source")
    content = bytearray(archive.read_bytes())
    stored = [r.jpeg for r in source_layouts.train() if r.jpeg in content]
    content[content.index(stored[0])] ^= 255
    archive.write_bytes(content)
    one, many = (
        run(convert_words(archive, tmp_path / out, "--classes", "found", "--bad", "keep", *where))
        for out, where in (("one", []), ("many", [f"--ray={cluster.address}"]))
    )
    assert one.returncode == many.returncode == 1
    assert "does not match its CRC-32; " in one.stderr
    assert said(many.stderr) == said(one.stderr)
    assert len(said(many.stderr)) == 1


@pytest.mark.parametrize("address", ["auto", "127.0.0.1:1"])
def test_without_a_cluster_one_line_says_how_to_start_one(
    tarballs: Path, tmp_path: Path, address: str
) -> None:
    words = convert_words(tarballs, tmp_path / "out", f"--ray={address}")
    done = run(words, env=os.environ | {"RAY_ADDRESS": "127.0.0.1:1"})
    assert done.returncode == 1
    assert done.stderr.startswith(
        "Error: 127.0.0.1:1: no Ray cluster answers ([Errno 111] Connection refused); start"
    )
    assert "`ray start --head`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_machine_with_other_versions_or_without_the_files_is_refused_by_name(
    tarballs: Path, tmp_path: Path
) -> None:
    place, job = Place(tmp_path / "out"), ShardJob("val", 0)
    here = re.escape(socket.gethostname())
    writing: Any = None  # what is refused is refused before it is looked at
    with pytest.raises(ClusterError, match=rf"plan.json: is not there on {here}; all machines"):
        on_ray._write_shard(place, writing, job)
    convert_part([tarballs], place.out, part="1/2", options=SHARDS, workers=1)
    content = place.plan.read_text()
    place.plan.write_text(re.sub(r'("imnet-data": )"[^"]*"', r'\1"0.0.1"', content))
    with pytest.raises(
        ClusterError, match=rf"{here}: has another software \(imnet-data 0.0.1, not"
    ):
        on_ray._write_shard(place, writing, job)


def test_ray_goes_neither_with_what_is_for_one_machine_nor_with_a_path(tmp_path: Path) -> None:
    for more, words in (
        (["--ray", "--part", "1/2"], "--ray goes with none of --force"),
        (["--ray", str(tmp_path)], "is no address of a cluster (HOST:PORT); put --ray last"),
    ):
        done = CliRunner().invoke(main, ["convert", str(tmp_path), str(tmp_path / "out"), *more])
        assert done.exit_code == 2
        assert words in done.output


def test_where_ray_is_not_installed_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ray'] = None; from imnet_data.cli import main;"
        "main(['verify', sys.argv[1], '--ray'])"
    )
    done = run([sys.executable, "-c", code, str(tmp_path)])
    assert done.returncode == 1
    assert done.stderr.endswith("install it, in a clone: pip install -e '.[ray]'\n")


# verify


def test_verify_gives_the_report_and_the_status_of_one_machine(
    tarballs: Path, made: dict[str, Path], tmp_path: Path, cluster: RayCluster
) -> None:
    damaged = Path(shutil.copytree(made["webdataset"], tmp_path / "damaged"))
    shards = sorted(damaged.rglob("*.tar"))
    content = bytearray(shards[2].read_bytes())
    content[len(content) // 2] ^= 1
    shards[2].write_bytes(content)
    shards[5].unlink()
    archive = tarballs / "ILSVRC2012_img_val.tar"
    roots = [str(damaged), str(made["folder"]), str(archive)]
    words = [sys.executable, "-m", "imnet_data", "verify", "--decode", "--json", *roots]
    one, many = run(words), run([*words, f"--ray={cluster.address}"])
    assert one.returncode == many.returncode == 1
    report = json.loads(one.stdout)
    assert [len(report[root]["differences"]) > 1 for root in roots] == [True, False, True]
    assert (many.stdout, said(many.stderr)) == (one.stdout, said(one.stderr))


def test_verify_tells_a_machine_without_the_dataset_from_a_damaged_one(
    made: dict[str, Path], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(made["webdataset"], tmp_path / "gone"))
    about = description.read(root)
    checking = Checking(Folder(root), about, {}, {}, False, Counter())
    (root / "dataset.json").unlink()
    with pytest.raises(ClusterError, match=r"dataset.json: is not there on "):
        verify._check_here(checking, FileJob("labels.tsv"))
