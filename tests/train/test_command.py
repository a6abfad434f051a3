"""`imnet-data train`, with torch alone and without it."""

import json
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner
from training_kit import environment, losses

from imnet_data.cli import main

_SHORT = ["--recipe", "demo", "--epochs", "1", "--device", "cpu", "--log-every", "1"]

# imports of these packages fail, as where they are not installed
_WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
from imnet_data.cli import main
main(sys.argv[1:], prog_name="imnet-data")
"""


def run_without(packages, *arguments):
    code = _WITHOUT.format(packages=packages)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_torch_alone_is_enough(dataset, tmp_path):
    others = {"torchvision", "timm", "nvidia", "ffcv", "tensorboard", "cv2"}
    done = run_without(others, "train", dataset, "--out", tmp_path, *_SHORT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("top-1 ")
    assert "of 28 records" in done.stdout
    assert "epoch 1/1  step 2/2  loss " in done.stderr
    assert len(losses(tmp_path)) == 2


@pytest.mark.slow
def test_what_is_missing_is_named_with_its_pip_line(dataset, tmp_path):
    done = run_without({"torch"}, "train", dataset, "--out", tmp_path / "out", *_SHORT)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: training needs torch, which is not installed; "
        "in a clone of imnet-data, run: pip install '.[torch]'\n"
    )
    arguments = ["train", dataset, "--out", tmp_path / "out", *_SHORT, "--model", "timm:resnet18"]
    done = run_without({"timm", "torchvision"}, *arguments)
    assert done.returncode == 1
    assert "needs timm, which is not installed; install it: pip install timm, or" in done.stderr


def test_options_change_the_recipe_and_the_card_says_so(dataset, tmp_path):
    arguments = ["--batch-size", "16", "--lr", "0.003", "--model", "resnet10_gn", "--seed", "3"]
    command = ["train", str(dataset), "--out", str(tmp_path), *_SHORT, *arguments]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["seed"] == 3
    changed = card["changed_from_the_published_recipe"]
    assert changed["batch_size"] == {"published": 32, "here": 16}
    assert changed["learning_rate"]["here"] == 0.003
    assert changed["model"]["here"] == "resnet10_gn"


def test_options_of_augmentation_are_in_the_card_and_change_what_is_trained_on(dataset, tmp_path):
    options = ["--augment", "trivial-augment-wide", "--erase", "0.25"]
    options += ["--color-jitter", "0.4", "0.4", "0.4", "0.1"]
    for name, arguments in (("plain", []), ("one", options), ("two", options)):
        command = ["train", str(dataset), "--out", str(tmp_path / name), *_SHORT, *arguments]
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    assert losses(tmp_path / "one") == losses(tmp_path / "two") != losses(tmp_path / "plain")
    card = json.loads((tmp_path / "one" / "card.json").read_text())
    changed = card["changed_from_the_published_recipe"]
    assert changed["pixels.policy"]["published"] is None
    assert changed["pixels.policy"]["here"]["policy"] == "TrivialAugmentWide"
    jitter = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    assert changed["pixels.color_jitter"] == {"published": None, "here": jitter}
    assert changed["pixels.erasing"]["here"]["probability"] == 0.25
    # the same --out with other options is another run
    command = ["train", str(dataset), "--out", str(tmp_path / "one"), *_SHORT, "--augment", "none"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1
    assert "recipe.pixels.policy is {'policy': 'TrivialAugmentWide'," in result.output


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="the only GPU is each process's own")
def test_a_gpu_that_is_not_there_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "99")
    command = ["train", str(dataset), "--out", str(tmp_path / "run"), *_SHORT, "--device", "cuda"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert "device is 'cuda:99', and torch " in result.output
    assert not (tmp_path / "run").exists()


def test_recipes_are_told_with_their_source():
    result = CliRunner().invoke(main, ["train", "--recipes"])
    assert result.exit_code == 0
    assert "torchvision-v1: resnet50, 90 epochs of 256 images per step" in result.output
    assert "arXiv 2110.00476" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "33", "--accumulate", "2"], "33 cannot be cut into 2 equal parts"),
        (["--color-jitter", "0.4", "0.4", "0.4", "0.7"], "hue is 0.7; allowed are 0 to 0.5"),
        (["--model", "resnet19"], "unknown model 'resnet19'"),
        (["--finetune", "FILE", "--features", "FILE"], "exclude each other"),
    ],
)
def test_wrong_usage_is_said_with_exit_status_2(dataset, tmp_path, arguments, message):
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"")
    arguments = [str(weights) if argument == "FILE" else argument for argument in arguments]
    command = ["train", str(dataset), "--out", str(tmp_path / "run"), *_SHORT, *arguments]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "run").exists()
