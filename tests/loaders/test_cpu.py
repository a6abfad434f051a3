import gc
import os
import warnings

import numpy as np
import pytest
from jpeg_images import stored_forms
from process_threads import left_after_a_while, own_threads

from imnet_data.errors import FormatError, ImageError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.transforms import (
    EvalRecipe,
    Progressive,
    TrainRecipe,
    eval_image,
    train_boxes,
    train_image,
)

TRAIN = TrainRecipe(size=48)
EVALUATE = EvalRecipe(resize=60, crop=48, filter="bicubic")


class Reading:
    """The same records, read one by one."""

    def __init__(self, extents, jpegs):
        self.key, self.label = extents.key, extents.label
        self.width, self.height = extents.width, extents.height
        self.pixels = extents.pixels
        self.jpegs = jpegs

    def read(self, index):
        return memoryview(self.jpegs[index])


def schedule_of(batch_size=4, **options):
    return Schedule(count=23, batch_size=batch_size, **options)


def epoch_of(source, recipe, schedule, *, number=0, start=0, **options):
    with CpuLoader(source, recipe, schedule, **options) as loader:
        return list(loader.epoch(number, start=start))


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for ours, theirs in zip(batch, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def damaged(extents, index, change):
    path = extents.shard_paths[extents.shard[index]]
    content = bytearray(path.read_bytes())
    change(content, int(extents.offset[index]), int(extents.nbytes[index]))
    path.write_bytes(content)


def zero_middle(content, offset, nbytes):
    content[offset + 2 : offset + nbytes // 2] = bytes(nbytes // 2 - 2)


@pytest.mark.parametrize("filter", ["bilinear", "bicubic"])
def test_training_batches_have_the_pixels_of_pillow(extents, decoded, filter):
    recipe = TrainRecipe(size=48, filter=filter)
    with CpuLoader(extents, recipe, schedule_of(last="ragged", seed=9)) as loader:
        batches = list(loader.epoch(3))
        assert loader.decoded_by_pillow == 2
    assert len(batches) == 6
    for batch in batches:
        assert batch.images.shape == (len(batch.indices), 48, 48, 3)
        assert batch.labels.dtype == batch.indices.dtype == np.int64
        widths, heights = extents.width[batch.indices], extents.height[batch.indices]
        boxes, flips = train_boxes(widths, heights, batch.indices, recipe=recipe, seed=9, epoch=3)
        for row, index in enumerate(batch.indices.tolist()):
            expected = train_image(
                decoded[index], boxes[row].tolist(), size=48, flip=flips[row], filter=filter
            )
            np.testing.assert_array_equal(batch.images[row], expected, err_msg=f"record {index}")
            assert batch.labels[row] == index % 7


@pytest.mark.parametrize(
    "recipe",
    [EVALUATE, EvalRecipe(resize=40, crop=64), EvalRecipe(resize=48, crop=48)],
    ids=str,
)
def test_evaluation_batches_have_the_pixels_of_torchvision(extents, decoded, recipe):
    schedule = schedule_of(order="sequential", last="ragged")
    batches = epoch_of(extents, recipe, schedule)
    assert [len(batch.indices) for batch in batches] == [4, 4, 4, 4, 4, 3]
    images = np.concatenate([batch.images for batch in batches])
    for index, image in enumerate(images):
        expected = eval_image(decoded[index], recipe)
        np.testing.assert_array_equal(image, expected, err_msg=f"record {index}")


@pytest.mark.parametrize("recipe", [TRAIN, EVALUATE], ids=["train", "evaluate"])
def test_pixels_do_not_depend_on_threads_ahead_or_source(extents, jpegs, recipe):
    expected = epoch_of(extents, recipe, schedule_of(), threads=1)
    for threads, ahead in ((1, 5), (2, 1), (7, 3)):
        made = epoch_of(extents, recipe, schedule_of(), threads=threads, batches_ahead=ahead)
        assert_same(made, expected)
    assert_same(epoch_of(Reading(extents, jpegs), recipe, schedule_of()), expected)


@pytest.mark.parametrize(
    "recipe", [TRAIN, TrainRecipe(size=48, filter="bicubic"), EVALUATE], ids=str
)
def test_every_form_of_jpegs_gives_the_same_batches(extents, jpegs, recipe):
    expected = epoch_of(extents, recipe, schedule_of())
    forms = [stored_forms(image) for image in jpegs]
    assert sum(map(len, forms)) > 2 * len(forms)
    for stored in ([form[-1] for form in forms], [form[len(form) // 2] for form in forms]):
        assert_same(epoch_of(Reading(extents, stored), recipe, schedule_of()), expected)


def test_images_stored_as_pixels_give_the_same_batches(extents, decoded, tmp_path):
    path = tmp_path / "pixels"
    stored = [image.tobytes() for image in decoded]
    path.write_bytes(b"".join(stored))
    nbytes = np.array([len(image) for image in stored])
    pixels = extents._replace(
        shard_paths=[path],
        shard=np.zeros(23, np.int32),
        offset=np.cumsum(nbytes) - nbytes,
        nbytes=nbytes,
        pixels=np.ones(23, bool),
    )
    for recipe in (TRAIN, EVALUATE):
        for source in (pixels, Reading(pixels, stored)):
            assert_same(
                epoch_of(source, recipe, schedule_of()), epoch_of(extents, recipe, schedule_of())
            )
    nbytes[7] -= 1
    with pytest.raises(ImageError, match=r"record 7\) .*: the image has \d+ bytes, but the index"):
        epoch_of(pixels, TRAIN, schedule_of(last="wrap"))


def test_resuming_gives_the_same_batches(extents):
    whole = epoch_of(extents, TRAIN, schedule_of(), number=2)
    for start in range(len(whole) + 1):
        rest = epoch_of(extents, TRAIN, schedule_of(), number=2, start=start, threads=3)
        assert_same(rest, whole[start:])


def test_ranks_put_together_are_the_single_rank(extents):
    alone = epoch_of(extents, TRAIN, schedule_of(6), number=1)
    ranks = [
        epoch_of(extents, TRAIN, schedule_of(2, rank=rank, world_size=3), number=1)
        for rank in range(3)
    ]
    together = [
        [np.concatenate(part) for part in zip(*step, strict=True)]
        for step in zip(*ranks, strict=True)
    ]
    assert_same(together, alone)


def test_a_rank_without_records_in_the_last_step_gets_an_empty_batch(extents):
    schedule = schedule_of(2, rank=0, world_size=11, order="sequential", last="ragged")
    batches = epoch_of(extents, EVALUATE, schedule)
    assert [len(batch.indices) for batch in batches] == [2, 0]
    assert batches[1].images.shape == (0, 48, 48, 3)


def test_the_size_may_grow_with_the_epochs(extents):
    size = Progressive(min_size=32, max_size=64, start_epoch=0, end_epoch=1)
    with CpuLoader(extents, TrainRecipe(size=size), schedule_of()) as loader:
        assert [next(loader.epoch(number)).images.shape[1] for number in (0, 1)] == [32, 64]


def test_block_order_reads_the_same_records(extents):
    batches = epoch_of(extents, TRAIN, schedule_of(order="block", last="ragged"))
    indices = np.concatenate([batch.indices for batch in batches])
    np.testing.assert_array_equal(np.sort(indices), np.arange(23))


def test_batches_that_are_held_do_not_change(extents):
    expected = [batch.images.copy() for batch in epoch_of(extents, TRAIN, schedule_of(), threads=1)]
    with CpuLoader(extents, TRAIN, schedule_of()) as loader:
        views = [batch.images[1:, ::2] for batch in loader.epoch(0)]
        for _ in loader.epoch(1):
            pass
    for view, images in zip(views, expected, strict=True):
        np.testing.assert_array_equal(view, images[1:, ::2])


def test_memory_is_used_again(extents):
    sizes = []

    def allocate(nbytes):
        sizes.append(nbytes)
        return np.empty(nbytes, np.uint8)

    with CpuLoader(extents, TRAIN, schedule_of(), batches_ahead=2, allocate=allocate) as loader:
        for number in range(10):
            for _ in loader.epoch(number):
                pass
    assert sizes == [4 * 48 * 48 * 3] * 4  # two ahead, one new, one in the caller's hands


def test_an_epoch_may_be_left_early_and_others_go_on(extents):
    with CpuLoader(extents, TRAIN, schedule_of(), threads=3) as loader:
        expected = list(loader.epoch(1))
        for left_after in (0, 1, 2):
            epoch = loader.epoch(0)
            for _ in range(left_after):
                next(epoch)
            other = loader.epoch(1)  # while the first one is under way
            first = next(other)
            epoch.close()  # type: ignore[attr-defined]
            assert_same([first, *other], expected)


def test_closing_in_mid_epoch_ends_it(extents):
    loader = CpuLoader(extents, TRAIN, schedule_of())
    epoch = loader.epoch(0)
    next(epoch)
    loader.close()
    loader.close()
    with pytest.raises(ValueError, match=r"the loader is closed"):
        next(epoch)
    with pytest.raises(ValueError, match=r"the loader is closed"):
        next(loader.epoch(1))
    del epoch
    gc.collect()


def test_no_thread_is_left_after_close(extents):
    before = own_threads()
    with CpuLoader(extents, TRAIN, schedule_of(), threads=5) as loader:
        next(loader.epoch(0))
        started = own_threads() - before
        assert len(started) == 5 + 2  # two of them read ahead
    assert not left_after_a_while(started)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_is_told_to_open_its_own(extents):
    with CpuLoader(extents, TRAIN, schedule_of()) as loader:
        next(loader.epoch(0))
        child = os.fork()
        if child == 0:
            try:
                next(loader.epoch(0))
            except ValueError as error:
                os._exit(7 if "forked process" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_a_file_that_is_cut_short_is_an_error_that_names_the_record(extents):
    with extents.shard_paths[1].open("r+b") as file:
        file.truncate(int(extents.offset[22]) + 10)
    schedule = schedule_of(order="sequential", last="ragged")
    with CpuLoader(extents, EVALUATE, schedule) as loader:
        with pytest.raises(
            FormatError,
            match=r"n00000022_22 \(record 22\) in .*shard-1 at \d+: needed are \d+ bytes, but the "
            r"file ends at \d+; run `imnet-data verify DATASET",
        ):
            list(loader.epoch(0))
        assert next(loader.epoch(0)).indices.tolist() == [0, 1, 2, 3]  # it can go on


@pytest.mark.parametrize("index", [2, 9])
def test_a_damaged_image_is_an_error_that_names_the_record(extents, index):
    damaged(extents, index, zero_middle)
    with pytest.raises(ImageError, match=rf"n0000000{index}_{index} \(record {index}\) in .*shard"):
        epoch_of(extents, TRAIN, schedule_of(last="wrap"))


def test_an_index_that_does_not_fit_the_image_is_an_error(extents):
    for index in (3, 9):
        width = extents.width.copy()
        width[index] += 1
        wrong = extents._replace(width=width)
        with pytest.raises(ImageError, match=r"the image is \d+ x \d+ pixels, but the index says"):
            epoch_of(wrong, TRAIN, schedule_of(last="wrap"))


def test_a_missing_file_is_an_error(extents):
    extents.shard_paths[0].unlink()
    with pytest.raises(FormatError, match=r"shard-0: cannot be opened \(No such file"):
        epoch_of(extents, TRAIN, schedule_of(last="wrap"))


def test_offsets_outside_of_the_file_are_errors(extents):
    for offset in (-1, 2**62):
        offsets = extents.offset.copy()
        offsets[4] = offset
        with pytest.raises(FormatError, match=r"record 4"):
            epoch_of(extents._replace(offset=offsets), TRAIN, schedule_of(last="wrap"))


def test_bad_records_may_be_skipped_and_are_counted(extents):
    good = epoch_of(extents, EVALUATE, schedule_of(order="sequential", last="ragged"))
    damaged(extents, 2, zero_middle)
    damaged(extents, 9, zero_middle)
    schedule = schedule_of(order="sequential", last="ragged")
    with CpuLoader(extents, EVALUATE, schedule, on_error="skip") as loader:
        for _ in range(2):
            with pytest.warns(RuntimeWarning, match=r"epoch 0: 2 records were skipped, such as n0"):
                batches = list(loader.epoch(0))
        assert sorted(loader.skipped) == [2, 9]
        assert "record 9" in loader.skipped[9]
    assert [batch.indices.tolist() for batch in batches[:3]] == [
        [0, 1, 3],
        [4, 5, 6, 7],
        [8, 10, 11],
    ]
    np.testing.assert_array_equal(batches[2].images, good[2].images[[0, 2, 3]])
    assert_same(batches[3:], good[3:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        epoch_of(extents, EVALUATE, schedule_of(order="sequential"), start=3, on_error="skip")


def test_wrong_arguments_say_what_is_allowed(extents):
    with pytest.raises(ValueError, match=r"the schedule is for 24 records, the source has 23"):
        CpuLoader(extents, TRAIN, Schedule(count=24, batch_size=4))
    with pytest.raises(ValueError, match=r"threads is 0; allowed are integers from 1 to 1,024"):
        CpuLoader(extents, TRAIN, schedule_of(), threads=0)
    with pytest.raises(ValueError, match=r"on_error is 'ignore'; allowed are raise, skip"):
        CpuLoader(extents, TRAIN, schedule_of(), on_error="ignore")  # type: ignore[arg-type]
    with (
        CpuLoader(extents, TRAIN, schedule_of()) as loader,
        pytest.raises(ValueError, match=r"start is 6; allowed are integers from 0 to 5"),
    ):
        loader.epoch(0, start=6)
