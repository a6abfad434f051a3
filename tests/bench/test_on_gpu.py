"""`benchmarks/on_gpu.sh`, rehearsed on the CPU; and what it does about failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the script is about torch and DALI")

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
KITS = Path(__file__).parent.parent / "kits"
# of each section, some of what it has to assert; those with a GPU alone say so here
WANTED = {
    "environment": ["the GPU", "imnet-data doctor", "datasets are converted"],
    "transfer": [
        *(
            f"torch.{dtype} in {layout} is bit-equal to the CPU's"
            for dtype in ("float32", "float16", "bfloat16")
            for layout in ("NCHW", "NHWC")
        ),
        "held batches keep their numbers, and an epoch may be left",
    ],
    "augmentation": ["every augmentation is bit-equal to the CPU's"],
    "training": [
        "fp32: the loss is finite, and every record is validated",
        "bf16: the loss is finite, and every record is validated",
        "the first loss is that of the CPU",
        "a resumed run ends with the weights of one that was not stopped",
        "gradients and weights go through the process group, of one rank",
    ],
    "speed": [
        "batches by the loader 'torch'",
        "a step of resnet10, without input",
        "a step of resnet10 on batches by 'torch'",
    ],
    "dali": [
        *(f"stripes: chroma is interpolated, hw_decoder_load={load}" for load in (0.0, 1.0)),
        "each kind of JPEG is decoded in its place",
        *(
            f"photographs, {kind}, hw_decoder_load={load}: each is the CPU's"
            for kind in ("cut", "whole")
            for load in (0.0, 0.65, 1.0)
        ),
        "a damaged record is named, and only that",
        "batches under a slow stream keep their checksums",
    ],
    "dali_speed": ["batches by the loader 'dali'"],
}
NEEDS_A_GPU = {
    "an epoch makes the host wait for nothing",
    "reserved memory is the same over 40 epochs",
    "augmentation makes the host wait for nothing",
    "fp16: the loss is finite, and every record is validated",
    "with torch.compile the first loss is the same",
    "waits of the host per step: timm-a3, bf16",
    "the copy to the GPU, and normalising",
    "five loaders in turn take the memory of one",
    "out of memory is no record's fault",
}


def environment():
    path = os.pathsep.join(map(str, [BENCHMARKS, KITS]))
    return os.environ | {"PYTHONPATH": path, "PYTHON": sys.executable}


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_a_rehearsal_makes_every_assertion_that_a_cpu_can(tmp_path):
    pytest.importorskip("nvidia.dali", reason="DALI is not installed: the extra `dali`")
    out = tmp_path / "out"
    command = ["bash", str(BENCHMARKS / "on_gpu.sh"), str(out), "--rehearse"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    *lines, summary = lines_of(done.stdout)
    assert done.returncode == 0, [line for line in lines if line["ok"] is False]
    assert summary["failed"] == []
    assert lines == lines_of((out / "results.jsonl").read_text())
    passed = {(line["section"], line["check"]) for line in lines if line["ok"]}
    for section, checks in WANTED.items():
        for check in [*checks, "the section ran to its end"]:
            assert (section, check) in passed
    skipped = {line["check"]: line["why"] for line in lines if line["ok"] is None}
    assert skipped.keys() >= NEEDS_A_GPU
    assert all("GPU" in why for why in skipped.values())
    again = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert again.stderr == f"{out} exists; name a new folder\n"


@pytest.mark.slow
def test_what_fails_stops_nothing_and_decides_the_exit_status(tmp_path):
    """The folder of photographs is not there, so there is no dataset."""
    command = [sys.executable, "-m", "gpu_kit", "--rehearse", "--out", str(tmp_path)]
    command += ["--photographs", str(tmp_path / "none")]
    command += ["--sections", "environment", "transfer", "augmentation"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    *lines, summary = lines_of(done.stdout)
    assert done.returncode == 1
    failed = {line["check"]: line["error"] for line in lines if line["ok"] is False}
    assert summary["failed"] == list(failed)
    assert len(failed) == 1 + 6 + 1  # the datasets, and what reads them
    assert "No such file or directory" in failed["datasets are converted"]
    assert [line["ok"] for line in lines if line["section"] == "augmentation"] == [True, None, True]


def test_a_section_that_dies_is_a_failure_with_what_it_said(tmp_path):
    script = """
import sys
sys.argv = ["gpu_kit", "--rehearse", "--out", sys.argv[1], "--sections", "augmentation"]
import runpy, subprocess
begin = subprocess.Popen
dying = ["bash", "-c", "echo words of a library; echo it was not to be >&2; kill -SEGV $$"]
subprocess.Popen = lambda command, **more: begin(dying, **more)
runpy.run_module("gpu_kit", run_name="__main__")
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    line, summary = lines_of(done.stdout)
    assert done.returncode == 1
    assert (line["check"], line["ok"]) == ("the section ran to its end", False)
    assert line["error"] == "exit status -11: it was not to be\n"
    assert summary["summary"] == {"true": 0, "false": 1, "null": 0}
