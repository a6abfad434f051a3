"""The loop on a synthetic dataset."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from training_kit import (
    EXECUTION,
    STEPS,
    TINY,
    assert_same_weights,
    events,
    losses,
    weights,
)

from imnet_data.augment import AutoAugment, Erasing, Mix, TrivialAugmentWide
from imnet_data.errors import TrainError
from imnet_data.evaluation import Protocol, evaluate, load_model
from imnet_data.train import loop, recipes
from imnet_data.train.models import ModelOptions, build_model
from imnet_data.train.transfer import Transfer
from imnet_data.transforms import Progressive

ONE_EPOCH = TINY.with_epochs(1)


def test_the_loss_falls_and_classes_are_learnt(never_killed):
    curve = list(losses(never_killed).values())
    assert len(curve) == TINY.epochs * STEPS
    assert sum(curve[-STEPS:]) < 0.85 * sum(curve[:STEPS])
    assert events(never_killed, "val")[-1]["top1"] > 28 / 4 * 1.5


def test_two_runs_of_one_seed_are_the_same_and_another_seed_is_not(dataset, never_killed, tmp_path):
    loop.train(dataset, tmp_path / "again", TINY, execution=EXECUTION)
    assert losses(tmp_path / "again") == losses(never_killed)
    assert events(tmp_path / "again", "val") == events(never_killed, "val")
    assert_same_weights(weights(tmp_path / "again"), weights(never_killed))
    loop.train(dataset, tmp_path / "other", ONE_EPOCH, seed=1, execution=EXECUTION)
    assert losses(tmp_path / "other")[0, 1] != losses(never_killed)[0, 1]


def test_validation_counts_every_record_once(never_killed):
    for event in events(never_killed, "val"):
        assert event["records"] == 28
        assert event["top1"] <= event["top5"] == 28  # there are four classes


def test_evaluating_the_weights_gives_the_number_of_the_run(dataset, never_killed):
    model = load_model("resnet10", checkpoint=never_killed / "weights.pt")
    protocol = Protocol(recipes=(TINY.val_pixels,))
    told = evaluate(model, dataset, protocol=protocol, batch_size=8)
    assert told.results.accuracy().correct == events(never_killed, "val")[-1]["top1"]


def test_a_finished_run_is_not_trained_further(dataset, never_killed):
    before = (never_killed / "log.jsonl").read_bytes()
    outcome = loop.train(dataset, never_killed, TINY, execution=EXECUTION)
    assert (never_killed / "log.jsonl").read_bytes() == before
    assert outcome.top1 is not None
    assert outcome.top1.correct == events(never_killed, "val")[-1]["top1"]


def test_another_run_in_the_same_folder_is_refused(dataset, never_killed):
    with pytest.raises(TrainError, match="another run: seed is 0, not 7; pass the options of that"):
        loop.train(dataset, never_killed, TINY, seed=7, execution=EXECUTION)
    pixels = dataclasses.replace(TINY.pixels, size=40, repeats=2, policy=AutoAugment())
    other = dataclasses.replace(TINY, pixels=pixels)
    with pytest.raises(TrainError) as caught:
        loop.train(dataset, never_killed, other, execution=EXECUTION)
    assert str(caught.value) == (
        f"{never_killed}/checkpoint.pt: was written by another run: recipe.pixels.size is 32, not "
        "40; recipe.pixels.repeats is 1, not 2; recipe.pixels.policy is None, not {'policy': "
        "'AutoAugment', 'interpolation': 'nearest', 'fill': [0, 0, 0]}; pass the options of that "
        "run to resume it, or choose another --out"
    )


def test_a_finished_run_that_is_to_be_longer_is_refused_with_a_way_that_works(
    dataset, never_killed, tmp_path
):
    with pytest.raises(TrainError, match=r"recipe\.epochs is 3, not 4") as caught:
        loop.train(dataset, never_killed, TINY.with_epochs(4), execution=EXECUTION)
    found = re.search(r"with a new head: --finetune (\S+) --out OTHER$", str(caught.value))
    assert found is not None
    start = Transfer(Path(found[1]))
    loop.train(dataset, tmp_path, ONE_EPOCH, start=start, execution=EXECUTION)
    assert len(losses(tmp_path)) == STEPS


def test_accumulating_gives_the_weights_of_the_whole_batch(dataset, tmp_path):
    recipe = dataclasses.replace(ONE_EPOCH, model="resnet10_gn")
    loop.train(dataset, tmp_path / "whole", recipe, execution=EXECUTION)
    parts = EXECUTION._replace(accumulate=2)
    loop.train(dataset, tmp_path / "parts", recipe, execution=parts)
    assert losses(tmp_path / "parts") == pytest.approx(losses(tmp_path / "whole"), rel=1e-3)


def test_a_batch_that_cannot_be_cut_is_refused(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"8 cannot be cut into 3 equal parts \(1 ranks"):
        loop.train(dataset, tmp_path, TINY, execution=EXECUTION._replace(accumulate=3))
    with pytest.raises(ValueError, match="do not fill"):
        loop.train(dataset, tmp_path, TINY.with_batch_size(128), execution=EXECUTION)


def test_a_test_set_is_not_trained_on(dataset, tmp_path):
    copy = shutil.copytree(dataset, tmp_path / "copy")
    about = json.loads((copy / "dataset.json").read_text())
    del about["splits"]["train"]  # it has none as it is converted
    (copy / "dataset.json").write_text(json.dumps({**about, "name": "objectnet"}))
    with pytest.raises(TrainError, match="objectnet is a test set; train on another"):
        loop.train(copy, tmp_path / "run", TINY, execution=EXECUTION)
    assert not (tmp_path / "run").exists()


def test_without_a_val_split_there_is_no_number(dataset, tmp_path):
    copy = shutil.copytree(dataset, tmp_path / "copy")
    about = json.loads((copy / "dataset.json").read_text())
    del about["splits"]["val"]
    (copy / "dataset.json").write_text(json.dumps(about))
    outcome = loop.train(copy, tmp_path / "run", ONE_EPOCH, execution=EXECUTION)
    assert (outcome.top1, outcome.top5) == (None, None)
    assert json.loads((tmp_path / "run" / "card.json").read_text())["result"]["top1"] is None


def test_a_loss_that_is_not_finite_ends_the_run(dataset, tmp_path):
    recipe = dataclasses.replace(TINY, learning_rate=1e30, warmup_epochs=0)
    with pytest.raises(TrainError, match=r"epoch 0, step \d+: the loss is (nan|inf); a lower"):
        loop.train(dataset, tmp_path, recipe, execution=EXECUTION)


def test_the_average_of_weights_is_validated_and_kept(dataset, tmp_path):
    recipe = dataclasses.replace(ONE_EPOCH, ema_decay=0.9, warmup_epochs=0.0)
    loop.train(dataset, tmp_path, recipe, execution=EXECUTION)
    stored = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert_same_weights(weights(tmp_path), stored["ema"])
    assert not torch.equal(stored["ema"]["fc.weight"], stored["model"]["fc.weight"])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_learns_as_well(dataset, tmp_path, precision):
    execution = EXECUTION._replace(precision=precision, channels_last=True)
    loop.train(dataset, tmp_path, ONE_EPOCH, execution=execution)
    full = build_model("resnet10", 4, ModelOptions()).state_dict()
    assert {name: value.dtype for name, value in weights(tmp_path).items()} == {
        name: value.dtype for name, value in full.items()
    }
    curve = list(losses(tmp_path).values())
    assert min(curve[-3:]) < curve[0]


def test_every_augmentation_is_a_function_of_the_seed(dataset, tmp_path):
    strong = dataclasses.replace(
        ONE_EPOCH,
        stochastic_depth=0.2,
        pixels=dataclasses.replace(
            TINY.pixels,
            size=Progressive(min_size=32, max_size=64, start_epoch=0, end_epoch=1),
            policy=TrivialAugmentWide(),
            erasing=Erasing(probability=0.5),
            mix=Mix(mixup_alpha=0.2, cutmix_alpha=1.0),
            repeats=2,
        ),
    )
    for name in ("one", "two"):
        loop.train(dataset, tmp_path / name, strong, execution=EXECUTION)
    assert losses(tmp_path / "one") == losses(tmp_path / "two")
    loop.train(dataset, tmp_path / "plain", ONE_EPOCH, execution=EXECUTION)
    assert losses(tmp_path / "one")[0, 1] != losses(tmp_path / "plain")[0, 1]


def test_timm_a3_moves_weights_in_small(dataset, tmp_path):
    a3 = recipes.get("timm-a3").with_epochs(2).with_batch_size(8)
    pixels = dataclasses.replace(a3.pixels, size=32)
    small = dataclasses.replace(
        a3, model="resnet10", pixels=pixels, val_pixels=TINY.val_pixels, learning_rate=8e-3
    )
    loop.train(dataset, tmp_path, small, execution=EXECUTION)
    curve = list(losses(tmp_path).values())
    assert sum(curve[-4:]) < sum(curve[:4])


def test_the_card_says_what_a_reader_needs(never_killed, dataset):
    card = json.loads((never_killed / "card.json").read_text())
    about = json.loads((dataset / "dataset.json").read_text())
    last = events(never_killed, "val")[-1]
    assert card["result"]["top1"]["correct"] == last["top1"]
    assert card["result"]["epochs_done"] == TINY.epochs
    assert card["data"]["splits"]["train"]["digest"] == about["splits"]["train"]["digest"]
    assert card["recipe"]["pixels"]["size"] == 32
    assert card["changed_from_the_published_recipe"]["epochs"] == {"published": 5, "here": 3}
    assert card["versions"]["torch"] == torch.__version__
    assert {"seed", "hardware", "execution", "model"} <= card.keys()
    page = (never_killed / "card.md").read_text()
    assert f"| top1.correct | {last['top1']} |" in page
    assert "| pixels.size | 32 |" in page


def test_tensorboard_has_the_numbers_of_the_log(dataset, tmp_path):
    reason = "TensorBoard is not installed"
    board = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=reason
    )
    loop.train(dataset, tmp_path, ONE_EPOCH, execution=EXECUTION)
    found = board.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    curve = {event.step: event.value for event in found.Scalars("train/loss")}
    assert curve == pytest.approx({step: loss for (_, step), loss in losses(tmp_path).items()})


def test_each_line_says_what_the_loader_cost(never_killed):
    for event in events(never_killed):
        assert event["images_per_second"] > 0
        assert 0 <= event["data_wait_share"] <= 1
