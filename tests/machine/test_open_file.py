"""Files that are open: how many, of what kind, and what a read of them gives."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.loaders.files import Files
from imnet_data.machine.open_file import OpenFile, explained

LIMIT = 40
PROGRAM = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))
import imnet_data
from imnet_data.dataset.opened import Dataset
root, task = sys.argv[1:]
if task == "read":
    with Dataset.open(root, "train") as dataset:
        order = sorted(range(len(dataset)), key=lambda index: index * 37 % len(dataset))
        print(len({{dataset[index].key for index in order}}))
elif task == "images":
    from imnet_data.loaders.torch import ImageNet
    images = ImageNet(root, "train")
    print(len([images[index] for index in range(len(images))]))
else:
    from imnet_data.loaders.cpu import CpuLoader
    from imnet_data.loaders.schedule import Schedule
    from imnet_data.loaders.source import source_of
    recipe = imnet_data.TrainRecipe(size=32)
    source = source_of(Dataset.open(root, "train"))
    schedule = Schedule(count=148, batch_size=64, seed=0, order=task)
    with CpuLoader(source, recipe, schedule) as one, CpuLoader(source, recipe, schedule) as other:
        pairs = zip(one.epoch(0), other.epoch(0), strict=True)
        print(sum(len(a.images) for a, b in pairs if (a.images == b.images).all()))
"""


@pytest.fixture(scope="module")
def many(tarballs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of more shards than the subprocesses may open files."""
    root = tmp_path_factory.mktemp("many") / "many"
    about = convert([tarballs], root, options=Options(shard_nbytes=1), split="train", workers=2)
    assert len(about.splits["train"].shards) == 148 > LIMIT
    return root


@pytest.mark.parametrize("task", ["read", "shuffled", "block", "images"])
def test_more_shards_than_files_may_be_open(many: Path, task: str) -> None:
    if task == "images":
        pytest.importorskip("torch")
    words = [sys.executable, "-c", PROGRAM, str(many), task]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    wanted = 148 // 64 * 64 if task in ("shuffled", "block") else 148
    assert (done.returncode, done.stdout) == (0, f"{wanted}\n"), done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("verify", "{root}", "--decode", "--workers", "2"),
        ("inspect", "{root}"),
        ("convert", "{root}", "{out}", "--format", "lmdb", "--workers", "2"),
        ("bench", "{root}", "--seconds", "0.01", "--repeats", "1", "--size", "32"),
    ],
    ids=lambda words: words[0],
)
def test_commands_need_no_more_files_than_they_may_open(
    many: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    command = [sys.executable, "-m", "imnet_data"]
    command += [word.format(root=many, out=tmp_path / "out") for word in words]
    limited = ["bash", "-c", f'ulimit -n {LIMIT}; exec "$@"', "limited", *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def few() -> Iterator[None]:
    """A process in which 16 files may stay open for reading."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("few")
def test_a_file_stays_open_while_it_is_held_and_others_are_opened_for_each_read(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / str(number) for number in range(300)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%03d" % number)
    files = Files(paths)
    held = files.open(np.arange(300))
    descriptors = [file.descriptor for file in held]
    assert 100 < sum(descriptor >= 0 for descriptor in descriptors) <= 128
    assert [file.read(0, 3) for file in held] == [b"%03d" % number for number in range(300)]
    del held
    for number in range(300):
        (file,) = files.open(np.array([number]))
        assert file.descriptor >= 0  # others were let go
    assert files.open(np.array([299]))[0] is file


def test_what_is_no_plain_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a plain file"):
            OpenFile(path)


def test_a_read_is_short_at_the_end_only_and_a_closed_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    file = OpenFile(tmp_path / "file")
    assert (file.read(2, 3), file.read(8, 5), file.nbytes) == (b"234", b"89", 10)
    file.close()
    with pytest.raises(ValueError, match="file: was closed; open it again"):
        file.read(0, 1)


def test_the_remedy_is_that_of_the_fault() -> None:
    many, denied, broken = (OSError(number, os.strerror(number)) for number in (24, 13, 5))
    assert explained(many, "repair it").endswith("raise the limit with `ulimit -n`")
    assert "permissions" in explained(denied, "repair it")
    assert explained(broken, "repair it") == "cannot be opened (Input/output error); repair it"


def test_a_file_that_outlives_the_modules_closes_without_a_word(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path;"
        "from imnet_data.machine.open_file import OpenFile;"
        "os.kept = OpenFile(Path(sys.argv[1]))"  # it goes when the names of `os` are gone
    )
    (tmp_path / "file").touch()
    words = [sys.executable, "-c", code, str(tmp_path / "file")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""
