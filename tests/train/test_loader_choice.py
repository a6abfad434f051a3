"""The loop fed by DALI: the same boxes and labels as from the CPU loader, sample by sample."""

import dataclasses

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from training_kit import EXECUTION, TINY, events

from imnet_data.augment import ColorJitter
from imnet_data.cli import main
from imnet_data.train import batches
from imnet_data.train.distributed import Ranks

pytest.importorskip("nvidia.dali", reason="DALI is not installed: the extra `dali`")

CPU = torch.device("cpu")
DALI = EXECUTION._replace(loader="dali")


def epochs(dataset, recipe, execution, ranks):
    """Return the first two epochs as lists of (images, labels, indices), and those as arrays."""
    loader = batches.open_training(dataset, recipe, seed=3, execution=execution, ranks=ranks)
    try:
        return [
            [tuple(np.asarray(part) for part in batch) for batch in loader.epoch(number)]
            for number in (0, 1)
        ]
    finally:
        loader.close()


@pytest.mark.parametrize("jitter", [None, ColorJitter(brightness=0.2)], ids=["plain", "jittered"])
def test_dali_feeds_the_loop_as_the_cpu_loader_does(dataset, jitter):
    """With another box, or another flip, images differ by ten times what is allowed here."""
    pixels = dataclasses.replace(TINY.pixels, color_jitter=jitter)
    recipe = dataclasses.replace(TINY, pixels=pixels)
    level = 1 / 255 / 0.225
    taken: list[list[int]] = [[], []]
    for rank in (0, 1):
        ranks = Ranks(rank, 2, CPU)
        ours = epochs(dataset, recipe, DALI, ranks)
        theirs = epochs(dataset, recipe, EXECUTION, ranks)
        for number, (epoch, other) in enumerate(zip(ours, theirs, strict=True)):
            for one, two in zip(epoch, other, strict=True):
                np.testing.assert_array_equal(one[1], two[1])
                np.testing.assert_array_equal(one[2], two[2])
                assert one[0].shape == two[0].shape
                assert one[0].dtype == two[0].dtype
                differences = np.abs(one[0].astype(float) - two[0]).mean(axis=(1, 2, 3))
                assert differences.max() < 0.6 * level
                taken[number] += one[2].tolist()
    assert [sorted(indices) for indices in taken] == [list(range(64))] * 2


def test_the_command_has_it_by_name_and_validates_every_record(dataset, tmp_path):
    arguments = ["train", str(dataset), "--out", str(tmp_path), "--recipe", "demo"]
    arguments += ["--epochs", "1", "--device", "cpu", "--loader", "dali"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert [event["records"] for event in events(tmp_path, "val")] == [28]
    assert '"loader": "dali"' in (tmp_path / "card.json").read_text()
