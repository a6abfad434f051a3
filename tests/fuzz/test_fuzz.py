"""A short run of the fuzz targets, with sanitizers; CMakeLists.txt says how to run longer ones."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from make_corpus import main as write_corpus

FOLDER = Path(__file__).parent
NATIVE = FOLDER.parents[1] / "imnet_data" / "native"
STANDALONE = FOLDER / "standalone.cpp"
KERNELS = sorted((FOLDER.parent / "native").glob("kernels*.cpp"))
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
OPTIONS = ["-std=c++17", "-O1", "-g1", f"-I{NATIVE}", *SANITIZERS]
TARGETS = sorted(path.stem for path in FOLDER.glob("fuzz_*.cpp"))
MUTATIONS = {"fuzz_jpeg_decode": 10_000}  # the slowest one by far
OTHER_MUTATIONS = 30_000


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiler")
    (folder / "empty.cpp").write_text("int main() {}\n")
    for name in ("g++", "clang++"):
        path = shutil.which(name)
        if path is None:
            continue
        command = [path, *SANITIZERS, "empty.cpp", "-o", "empty"]
        if subprocess.run(command, cwd=folder, capture_output=True).returncode == 0:
            return path
    pytest.skip("needs g++ or clang++ with AddressSanitizer and UndefinedBehaviorSanitizer")


@pytest.fixture(scope="module")
def objects(compiler, tmp_path_factory):
    folder = tmp_path_factory.mktemp("objects")
    sources = [path for path in NATIVE.rglob("*.cpp") if path.parent.name not in {"bind", "loader"}]
    subprocess.run([compiler, *OPTIONS, "-c", *sources], cwd=folder, check=True)
    return list(folder.glob("*.o"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder)
    return sorted(folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_mutated_images_break_nothing(target, compiler, objects, corpus, tmp_path):
    program = tmp_path / target
    command = [compiler, *OPTIONS, FOLDER / f"{target}.cpp", STANDALONE, *objects, "-o", program]
    subprocess.run(command, check=True)
    count = MUTATIONS.get(target, OTHER_MUTATIONS)
    run = subprocess.run(
        [program, f"-mutations={count}", *corpus],
        cwd=tmp_path,
        env={**os.environ, "ASAN_OPTIONS": "max_allocation_size_mb=512"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, f"after {tmp_path / 'last-input'}:\n{run.stderr}"
    assert run.stdout == f"{len(corpus)} files, {count} mutations\n"


@pytest.mark.slow
def test_kernels_stay_within_what_they_may_read_and_write(compiler, objects, tmp_path):
    program = tmp_path / "kernels"
    subprocess.run([compiler, *OPTIONS, *KERNELS, *objects, "-o", program], check=True)
    run = subprocess.run([program, "300"], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr
