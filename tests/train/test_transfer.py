"""Fine-tuning and frozen features."""

import dataclasses

import pytest
import torch
from training_kit import EXECUTION, TINY, weights

from imnet_data.errors import TrainError
from imnet_data.train import checkpoint, loop
from imnet_data.train.models import build_model
from imnet_data.train.transfer import Transfer, read_weights, start_from

ONE_EPOCH = TINY.with_epochs(1)


@pytest.fixture
def pretrained(tmp_path):
    """Weights of 1000 classes, as torchvision writes them."""
    torch.manual_seed(5)
    path = tmp_path / "pretrained.pth"
    torch.save(build_model("resnet10", 1000).state_dict(), path)
    return path


def test_features_keep_the_backbone_to_the_last_bit(dataset, pretrained, tmp_path):
    start = Transfer(pretrained, freezes_backbone=True)
    loop.train(dataset, tmp_path / "run", ONE_EPOCH, execution=EXECUTION, start=start)
    before, after = read_weights(pretrained), weights(tmp_path / "run")
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed == {"fc.weight", "fc.bias"}
    assert after["fc.weight"].shape == (4, 512)


def test_finetuning_starts_from_the_weights_and_moves_them(dataset, pretrained, tmp_path):
    slow = dataclasses.replace(ONE_EPOCH, learning_rate=1e-9)
    start = Transfer(pretrained)
    loop.train(dataset, tmp_path / "slow", slow, execution=EXECUTION, start=start)
    before, after = read_weights(pretrained), weights(tmp_path / "slow")
    torch.testing.assert_close(after["layer4.0.conv1.weight"], before["layer4.0.conv1.weight"])
    loop.train(dataset, tmp_path / "fast", ONE_EPOCH, execution=EXECUTION, start=start)
    moved = weights(tmp_path / "fast")["layer4.0.conv1.weight"]
    assert not torch.allclose(moved, before["layer4.0.conv1.weight"])


def test_weights_come_out_of_what_wraps_them(tmp_path):
    weight = torch.ones(2)
    for content in (
        {"module.fc.weight": weight},
        {"state_dict": {"_orig_mod.fc.weight": weight}, "model": "resnet10"},
        {"model": {"fc.weight": torch.zeros(2)}, "ema": {"fc.weight": weight}},
        {"model": {"fc.weight": weight}, "ema": None},
    ):
        checkpoint.write(tmp_path / "weights.pt", content)
        found = read_weights(tmp_path / "weights.pt")
        assert list(found) == ["fc.weight"]
        assert torch.equal(found["fc.weight"], weight)


def test_weights_of_another_model_or_damaged_ones_are_refused(pretrained, tmp_path):
    with pytest.raises(TrainError, match=r"pretrained.pth: has no layer1\.1\.conv1\.weight; is it"):
        start_from(build_model("resnet18", 4), Transfer(pretrained))
    whole = pretrained.read_bytes()
    pretrained.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TrainError, match=r"pretrained.pth: cannot be read as weights"):
        read_weights(pretrained)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(TrainError, match="holds a list; expected weights by name"):
        read_weights(tmp_path / "list.pt")


class Trap:
    def __reduce__(self):
        return (print, ("code out of a file was executed",))


def test_code_in_a_weights_file_is_not_executed(tmp_path, capsys):
    torch.save({"fc.weight": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(TrainError, match=r"trap.pt: cannot be read as weights"):
        read_weights(tmp_path / "trap.pt")
    assert capsys.readouterr().out == ""
