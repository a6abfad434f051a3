"""A run on a dataset in a store is the run on the same dataset on a disk."""

import json
import shutil

import pytest
import store_kit
from click.testing import CliRunner
from training_kit import EXECUTION, TINY, assert_same_weights, losses, weights

from imnet_data.cli import main
from imnet_data.dataset.remote import open_remote
from imnet_data.train import loop


@pytest.fixture
def url(dataset, store_folder, front, tmp_path):
    shutil.copytree(dataset, store_folder / store_kit.BUCKET / tmp_path.name)
    return f"s3://{store_kit.BUCKET}/{tmp_path.name}"


def test_weights_and_scores_are_those_of_the_disk(dataset, never_killed, url, front, tmp_path):
    out, cache = tmp_path / "run", tmp_path / "cache"
    loop.train(open_remote(url, cache, None), out, TINY, execution=EXECUTION)
    assert losses(out) == losses(never_killed)
    assert_same_weights(weights(out), weights(never_killed))
    assert [path for method, path in front.requests if method == "GET" and ".tar" in path]
    scored = []
    for words in ([str(dataset)], [url, "--cache", str(cache), "--cache-size", "1GB"]):
        model = ["--model", TINY.model, "--checkpoint", str(out / "weights.pt"), "--json"]
        done = CliRunner().invoke(main, ["evaluate", *words, *model, "--size", "32"])
        assert done.exit_code == 0, done.output
        scored.append(json.loads(done.stdout))
    assert scored[0] == scored[1]


def test_a_url_needs_a_cache_and_a_folder_has_none(dataset, tmp_path):
    for command in (["train"], ["evaluate", "--model", "resnet18"]):
        done = CliRunner().invoke(main, [*command, "s3://bucket/x?sig=1"])
        assert done.exit_code == 2
        assert "s3://bucket/x is a URL; add --cache DIR" in done.stderr
        done = CliRunner().invoke(main, [*command, str(dataset), "--cache", str(tmp_path)])
        assert done.exit_code == 2
        assert "--cache and --cache-size are for a URL" in done.stderr
