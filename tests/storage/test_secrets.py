"""Credentials and signed URLs are in nothing that is printed or written, whatever goes wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import store_kit

PASSWORD, SIGNATURE, OTHER = "a-pass-word", "0123-a-signature-cdef", "another-secret-of-nobody"
SECRETS = (store_kit.KEY, store_kit.SECRET, OTHER, PASSWORD, SIGNATURE)
_LOAD = (
    "import sys; from imnet_data import TrainRecipe, open_loader\n"
    "loader = open_loader(sys.argv[1], TrainRecipe(size=32), batch_size=8, cache=sys.argv[2])\n"
    "print(loader, loader.dataset.remote, [*loader.epoch(0)][0].labels)\n"
)


def commands(url: str, made: dict[str, Path], folder: Path) -> list[list[str]]:
    """Return the words of each command that takes a URL; its own traceback ends the last."""
    folder.mkdir()
    imnet = [sys.executable, "-m", "imnet_data"]
    return [
        [*imnet, "copy", url, str(folder / "copy")],
        [*imnet, "copy", str(made["mds"]), f"{url}-other"],
        [*imnet, "verify", url, "--json"],
        [*imnet, "verify", str(made["mds"]), "--against", url],
        [*imnet, "inspect", url, "--record", "3"],
        [*imnet, "convert", url, str(folder / "converted")],
        [*imnet, "convert", str(made["mds"]), f"{url}-converted", "--limit", "5"],
        [*imnet, "train", url, "--out", str(folder / "run")],
        [*imnet, "evaluate", url, "--model", "resnet18"],
        [*imnet, "bench", url],
        [sys.executable, "-c", _LOAD, url, str(folder / "cache")],
    ]


def run_all(words: list[list[str]], **environment: str) -> list[str]:
    """Run commands at a time; return what each has printed."""
    known = os.environ | environment
    started = [
        subprocess.Popen(
            each, env=known, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for each in words
    ]
    return [process.communicate(timeout=300)[0] for process in started]


def require_no_secret(said: list[str], folder: Path) -> None:
    texts = said + [
        path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()
    ]
    assert len(said) == sum(map(bool, said))
    for text in texts:
        for secret in SECRETS:
            assert secret not in text, text[:2000]


def test_where_all_is_well(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front, tmp_path: Path
) -> None:
    said = run_all(commands(in_store["webdataset"], made, tmp_path / "folder"))
    require_no_secret(said, tmp_path / "folder")
    assert (tmp_path / "folder" / "copy" / "dataset.json").is_file()
    assert any((tmp_path / "folder" / "cache").rglob("index.npy"))
    assert "RemoteFiles(s3://bucket/webdataset" in said[-1]


def test_where_access_is_denied(
    in_store: dict[str, str], made: dict[str, Path], front: store_kit.Front, tmp_path: Path
) -> None:
    words = commands(in_store["webdataset"], made, tmp_path / "folder")
    said = run_all(words, AWS_SECRET_ACCESS_KEY=OTHER)
    require_no_secret(said, tmp_path / "folder")
    assert sum("access is denied" in text for text in said) >= 5


@pytest.mark.parametrize("what", ["refused", "nobody answers"])
def test_where_a_signed_url_does_not_work(
    made: dict[str, Path], front: store_kit.Front, tmp_path: Path, what: str
) -> None:
    front.fault = lambda method, path: "403"
    port = front.port if what == "refused" else store_kit.free_port()
    url = f"http://user:{PASSWORD}@127.0.0.1:{port}/bucket/x?X-Amz-Signature={SIGNATURE}"
    words = commands(url, made, tmp_path / "folder")
    said = run_all(words if what == "refused" else [words[0], words[-1]])
    require_no_secret(said, tmp_path / "folder")
    assert all(f"http://127.0.0.1:{port}/bucket/x" in text for text in said), said
