"""Two processes that train together.

BatchNorm's statistics are those of each rank's images, and SyncBatchNorm does not exist on the CPU:
so the model that is compared has GroupNorm.
"""

import dataclasses
import subprocess
import sys

import pytest
import torch
from training_kit import EXECUTION, SCRIPT, TINY, environment, events, losses, weights

from imnet_data.train import loop


@pytest.mark.slow
def test_two_ranks_train_and_validate_as_one(dataset, tmp_path):
    recipe = dataclasses.replace(TINY.with_epochs(1), model="resnet10_gn")
    loop.train(dataset, tmp_path / "one", recipe, execution=EXECUTION)
    script = tmp_path / "script.py"
    text = 'dataclasses.replace(TINY.with_epochs(1), model="resnet10_gn")'
    script.write_text("import dataclasses\n" + SCRIPT.format(recipe=text))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", str(script), str(dataset), str(tmp_path / "two")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
    assert events(tmp_path / "two", "val") == events(tmp_path / "one", "val")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-2, atol=1e-3)
