"""`DaliLoader` on DALI's CPU backend, held against the CPU loader sample by sample; on a GPU."""

import gc
import io
import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

import imnet_data as imnet
from imnet_data import jpeg
from imnet_data.errors import FormatError, ImageError, MissingExtra
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.synth import synth
from imnet_data.transforms import EvalRecipe, Progressive, TrainRecipe

pytest.importorskip("nvidia.dali", reason="DALI is not installed: the extra `dali`")

from nvidia.dali import Pipeline, fn

from imnet_data.loaders.dali import DaliLoader, pipeline
from imnet_data.loaders.dali_decoder import Decoder
from imnet_data.loaders.dali_graph import decode_options, require_dali, resized
from imnet_data.loaders.dali_memory import decoding_threads

COUNT = 23
TRAIN = TrainRecipe(size=40)
EVALUATE = EvalRecipe(resize=48, crop=40)
RECIPES = {
    "train": TRAIN,
    "train-bicubic": TrainRecipe(size=40, filter="bicubic", flip=1.0),
    "evaluate": EVALUATE,
    "evaluate-bicubic": EvalRecipe(resize=48, crop=40, filter="bicubic"),
    "padded": EvalRecipe(resize=40, crop=47),
    "mirrored-corner": EvalRecipe(resize=48, crop=40, view=6),
}
# DALI rounds once where Pillow rounds twice; the images are noise, which shows it most
MOST_MEAN_DIFFERENCE = 0.5  # levels, of an image
# nvJPEG rounds otherwise than libjpeg-turbo, too. An image beside its place by a pixel is 6 levels
# off; how chroma is upsampled shows in `test_dali_pixels.py`.
MOST_ON_A_GPU = 2  # levels, of an image


def schedule(**changes):
    options = {"count": COUNT, "batch_size": 4, "seed": 5, "last": "ragged", **changes}
    return Schedule(**options)


def open_dali(source, recipe=TRAIN, *, order=None, **options):
    return DaliLoader(source, recipe, order or schedule(), threads=1, **options)


def epoch_of(source, recipe=TRAIN, *, number=1, start=0, order=None, **options):
    with open_dali(source, recipe, order=order, **options) as loader:
        return list(loader.epoch(number, start=start))


def expected_of(source, recipe=TRAIN, *, number=1, order=None):
    with CpuLoader(source, recipe, order or schedule(), threads=1) as loader:
        return list(loader.epoch(number))


def assert_same(batches, others):
    assert batches
    for batch, other in zip(batches, others, strict=True):
        for ours, theirs in zip(batch, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def assert_near(batches, others):
    assert batches
    for batch, other in zip(batches, others, strict=True):
        np.testing.assert_array_equal(batch.indices, other.indices)
        np.testing.assert_array_equal(batch.labels, other.labels)
        assert (batch.labels.dtype, batch.indices.dtype) == (np.int64, np.int64)
        assert batch.images.dtype == np.uint8
        assert batch.images.shape == other.images.shape
        differences = np.abs(batch.images.astype(int) - other.images)
        assert differences.mean(axis=(1, 2, 3)).max(initial=0) < MOST_MEAN_DIFFERENCE


@pytest.fixture
def seekable(extents, jpegs, tmp_path):
    """The same images, large enough to be cut, with restart markers where they can have them."""
    path = tmp_path / "seekable"
    images = []
    for index in range(COUNT):
        pixels = np.random.default_rng(index).integers(0, 256, (20, 27, 3), np.uint8)
        image = Image.fromarray(pixels).resize((540 + index, 400), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        image.save(file, "JPEG", progressive=index == 9)
        data = file.getvalue()
        images.append(data if index in {3, 9} else jpeg.seekable(data))
    path.write_bytes(b"".join(images))
    nbytes = np.array([len(image) for image in images])
    return extents._replace(
        shard_paths=[path],
        shard=np.zeros(COUNT, np.int32),
        offset=np.cumsum(nbytes) - nbytes,
        nbytes=nbytes,
        width=np.arange(540, 540 + COUNT),
        height=np.full(COUNT, 400),
    )


def with_record(source, index, data, **changes):
    """Put `data` in a file of its own in the place of record `index`."""
    path = source.shard_paths[0].with_name("other")
    path.write_bytes(data)
    columns = {"shard": len(source.shard_paths), "offset": 0, "nbytes": len(data), **changes}
    replaced = {name: getattr(source, name).copy() for name in columns}
    for name, value in columns.items():
        replaced[name][index] = value
    return source._replace(shard_paths=[*source.shard_paths, path], **replaced)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_batches_are_those_of_the_cpu_loader_but_for_rounding(extents, recipe):
    """Grey, progressive and CMYK images are among them."""
    assert_near(epoch_of(extents, recipe), expected_of(extents, recipe))


def test_a_border_is_cut_off_first(seekable):
    recipe = EvalRecipe(resize=48, crop=40, border=30)
    assert_near(epoch_of(seekable, recipe), expected_of(seekable, recipe))


def test_sizes_grow_with_the_epoch(extents):
    size = Progressive(min_size=32, max_size=64, start_epoch=0, end_epoch=2)
    with open_dali(extents, TrainRecipe(size=size)) as loader:
        for epoch, side in enumerate((32, 64, 64)):
            batches = list(loader.epoch(epoch))
            assert {batch.images.shape[1:] for batch in batches} == {(side, side, 3)}
    expected = expected_of(extents, TrainRecipe(size=size), number=2)
    assert_near(batches, expected)


def test_the_cut_changes_no_pixel(seekable):
    """Two of the images have no restart markers; a crop that is nearly all of one goes whole."""
    with open_dali(seekable) as loader:
        batches = list(loader.epoch(1))
        assert 2 <= loader.went_whole <= 6
    assert_near(batches, expected_of(seekable))
    with open_dali(seekable, cut=False) as loader:
        assert_same(batches, loader.epoch(1))
        assert loader.went_whole == 0


def test_what_is_evaluated_is_never_cut(seekable):
    with open_dali(seekable, EVALUATE) as loader:
        assert_near(loader.epoch(1), expected_of(seekable, EVALUATE))
        assert loader.went_whole == 0


def test_an_epoch_goes_on_from_any_batch(extents):
    whole = epoch_of(extents)
    assert len(whole) == 6
    for start in range(6):
        assert_same(epoch_of(extents, start=start), whole[start:])
    assert epoch_of(extents, start=6) == []


def test_epochs_differ_and_may_be_taken_in_turn(extents):
    one, two = epoch_of(extents, number=1), epoch_of(extents, number=2)
    assert not np.array_equal(one[0].indices, two[0].indices)
    with open_dali(extents) as loader:
        pairs = list(zip(loader.epoch(1), loader.epoch(2), strict=True))
        assert_same([pair[0] for pair in pairs], one)
        assert_same([pair[1] for pair in pairs], two)


def test_an_epoch_may_be_left(extents):
    with open_dali(extents) as loader:
        for start in (0, 3, 5):
            next(loader.epoch(1, start=start))
        assert_same(loader.epoch(1), epoch_of(extents))


@pytest.fixture
def _without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def pipelines():
    """Count those of DALI that are alive."""
    return sum(reference() is not None for reference in Pipeline._pipes)


@pytest.mark.usefixtures("_without_collector")
def test_40_epochs_take_one_pipeline_which_ends_with_the_loader(extents):
    before = pipelines()
    with open_dali(extents) as loader:
        for epoch in range(40):
            taken = epoch % 8  # of 6 batches: none, some, all, and one more than it has
            batches = loader.epoch(epoch)
            assert len(list(itertools.islice(batches, taken))) == min(taken, 6)
            del batches
            assert pipelines() <= before + 1
        assert_same(loader.epoch(1), epoch_of(extents))
        under_way = loader.epoch(2)
        next(under_way)
        other = loader.epoch(3)
        next(other)
        assert pipelines() == before + 2
    assert pipelines() == before
    with pytest.raises(ValueError, match="the loader is closed"):
        next(under_way)
    del other
    assert pipelines() == before
    assert loader._idle == []


@pytest.mark.usefixtures("_without_collector")
def test_a_loader_that_nobody_holds_leaves_no_pipeline(extents):
    before = pipelines()
    loader = open_dali(extents)
    next(loader.epoch(0))
    assert pipelines() == before + 1
    del loader
    assert pipelines() == before


@pytest.mark.usefixtures("_without_collector")
def test_a_failure_leaves_no_pipeline(extents, jpegs):
    before = pipelines()
    source = with_record(extents, 17, jpegs[17][: len(jpegs[17]) // 2])
    with open_dali(source, EVALUATE) as loader:
        for _ in range(3):
            with pytest.raises(ImageError, match="n00000017_17"):
                list(loader.epoch(1))
            assert pipelines() == before


def test_batches_stay_as_they_are_when_others_are_made(extents):
    with open_dali(extents) as loader:
        batches = list(loader.epoch(1))
        copies = [batch.images.copy() for batch in batches]
        list(loader.epoch(2))
    for batch, copy in zip(batches, copies, strict=True):
        np.testing.assert_array_equal(batch.images, copy)


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_put_together_are_one_rank(extents, world_size):
    whole = epoch_of(extents, order=schedule(batch_size=6))
    ranks = [
        epoch_of(
            extents,
            order=schedule(batch_size=6 // world_size, world_size=world_size, rank=rank),
        )
        for rank in range(world_size)
    ]
    steps = [
        [np.concatenate(part) for part in zip(*step, strict=True)]
        for step in zip(*ranks, strict=True)
    ]
    assert_same(steps, whole)


@pytest.mark.parametrize(("batch_size", "world_size"), [(4, 1), (3, 3), (5, 4), (2, 7), (1, 40)])
def test_evaluation_has_each_record_once(extents, batch_size, world_size):
    """Of the last batches some are smaller, some of 40 ranks' are empty."""
    batches = [
        epoch_of(
            extents,
            EVALUATE,
            order=schedule(
                batch_size=batch_size, world_size=world_size, rank=rank, order="sequential"
            ),
        )
        for rank in range(world_size)
    ]
    assert len({len(rank) for rank in batches}) == 1
    indices = [batch.indices for rank in batches for batch in rank]
    assert sorted(np.concatenate(indices)) == list(range(COUNT))
    images = np.concatenate([batch.images for rank in batches for batch in rank])
    assert images.shape == (COUNT, 40, 40, 3)


@pytest.mark.parametrize("order", ["shuffled", "block", "sequential"])
def test_each_order_is_that_of_the_schedule(extents, order):
    orders = schedule(order=order, last="wrap")
    assert_near(epoch_of(extents, order=orders), expected_of(extents, order=orders))


def test_exif_orientation_is_ignored(extents, decoded):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(decoded[7]).save(file, "JPEG", exif=exif)
    turned = with_record(extents, 7, file.getvalue())
    for recipe in (TRAIN, EVALUATE):
        assert_near(epoch_of(turned, recipe), expected_of(turned, recipe))


@pytest.mark.parametrize("recipe", [TRAIN, EVALUATE], ids=["train", "evaluate"])
def test_images_stored_as_pixels_are_taken(extents, decoded, recipe):
    source = with_record(extents, 7, decoded[7].tobytes(), pixels=True)
    assert_near(epoch_of(source, recipe), expected_of(source, recipe))


@pytest.mark.parametrize("nbytes", [None, 1, 300])
def test_a_damaged_record_is_named(extents, jpegs, nbytes):
    damaged = jpegs[17][: nbytes or len(jpegs[17]) // 2]
    source = with_record(extents, 17, damaged)
    message = r"n00000017_17 \(record 17\) in .*other at 0: .*; run `imnet-data verify DATASET"
    with pytest.raises(ImageError, match=message):
        epoch_of(source, EVALUATE)


def failing(monkeypatch, message, *, runs):
    """Put a stand-in for DALI's `run` that fails `runs` times; return the errors it has raised."""
    errors: list[Exception] = []
    run = Pipeline.run

    def stand_in(pipeline):
        if len(errors) == runs:
            return run(pipeline)
        pipeline.build()
        next(iter(pipeline._input_callbacks)).callback()  # takes a batch, as `run` does
        errors.append(RuntimeError(message))
        raise errors[-1]

    monkeypatch.setattr(Pipeline, "run", stand_in)
    return errors


@pytest.mark.parametrize(
    "message",
    [
        "CUDA runtime API error cudaErrorMemoryAllocation (2): out of memory",
        "nvjpeg error (6): NVJPEG_STATUS_EXECUTION_FAILED",
        "libnvjpeg.so.13: cannot open shared object file",
    ],
)
def test_no_record_is_blamed_for_another_failure(extents, monkeypatch, message):
    errors = failing(monkeypatch, message, runs=99)
    with pytest.raises(RuntimeError) as raised:
        epoch_of(extents)
    assert errors == [raised.value]  # and nothing was decoded in search of a record


@pytest.mark.parametrize(("runs", "failures"), [(99, 2), (1, 1)])
def test_no_record_is_blamed_where_sound_ones_fail_or_it_decodes(
    extents, monkeypatch, runs, failures
):
    errors = failing(monkeypatch, "Failed to decode sample #2 : ", runs=runs)
    with pytest.raises(RuntimeError) as raised:
        epoch_of(extents)
    assert raised.value is errors[0]
    assert len(errors) == failures  # where all fail: the epoch's, and that of the sound JPEG


def test_an_image_of_another_size_than_the_index_says_is_an_error(extents, jpegs):
    source = with_record(extents, 4, jpegs[4], width=999)
    with pytest.raises(ImageError, match=r"n00000004_4 .* pixels, but the index says 999 x"):
        epoch_of(source)


def test_a_file_that_is_cut_short_is_an_error(extents, jpegs):
    source = with_record(extents, 4, jpegs[4], nbytes=len(jpegs[4]) + 1)
    with pytest.raises(FormatError, match=r"n00000004_4 .* its file is cut short; run"):
        epoch_of(source)


def test_wrong_arguments_are_refused(extents):
    with pytest.raises(ValueError, match=r"hw_decoder_load is 1.5; allowed are 0 to 1"):
        open_dali(extents, hw_decoder_load=1.5)
    with pytest.raises(ValueError, match=r"device is 'meta'; DALI has cpu, cuda and cuda:N"):
        open_dali(extents, device="meta")
    with pytest.raises(ValueError, match=r"threads is 0; allowed are integers from 1 to 1,024"):
        DaliLoader(extents, TRAIN, schedule(), threads=0)
    with pytest.raises(ValueError, match=r"the schedule is for 9 records, the source has 23"):
        open_dali(extents, order=schedule(count=9))
    with open_dali(extents) as loader:
        assert len(loader) == 6
        for number, start in ((-1, 0), (0, -1), (0, 7)):
            with pytest.raises(
                ValueError, match=r"(epoch is -1|start is -?\d); allowed are integers from 0"
            ):
                loader.epoch(number, start=start)


def test_buffers_on_a_gpu_are_made_for_the_image_with_the_largest_area():
    widths, heights = np.array([900, 10, 500]), np.array([10, 800, 400], np.uint16)
    options = decode_options(widths, heights, device_id=0, threads=2)
    assert options["device"] == "mixed"
    assert options["adjust_orientation"] is False
    assert options["preallocate_width_hint"] == 500
    assert options["preallocate_height_hint"] == 400
    assert options["device_memory_padding"] >= 5.4 * 500 * 400
    assert options["host_memory_padding"] >= 3.6 * 500 * 400
    assert decode_options(widths, heights, device_id=None, threads=2)["device"] == "cpu"


def test_images_that_are_cut_have_no_hints(extents):
    def hints(loader):
        return [option for option in loader._options if option.endswith("hint")]

    with open_dali(extents) as cut, open_dali(extents, cut=False) as whole:
        assert (len(hints(cut)), len(hints(whole))) == (0, 2)
    with open_dali(extents, EVALUATE) as evaluated:
        assert len(hints(evaluated)) == 2


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_buffers_of_all_threads_have_at_most_1_gb(cores):
    threads = decoding_threads(cores, device_id=0)
    assert threads == min(cores, 8)
    assert decoding_threads(cores, device_id=None) == cores
    widths, heights = np.array([5980]), np.array([6430])  # the largest of ImageNet
    options = decode_options(widths, heights, device_id=0, threads=threads)
    device, host = options["device_memory_padding"], options["host_memory_padding"]
    total = threads * (device + 2 * host)  # DALI has two on the host for each thread
    expected = min(1e9, threads * 5980 * 6430 * (5.5 + 2 * 3.7))
    assert 0.999 * expected <= total <= expected


@pytest.mark.parametrize("version", ["1.50.0", "1.53.0", "0.9"])
def test_dali_that_reuses_its_outputs_is_refused(root, version):
    with pytest.raises(MissingExtra, match=rf"DALI {version} is installed, and 2.0 is the oldest"):
        require_dali(version)
    code = f"""
import nvidia.dali
nvidia.dali.__version__ = {version!r}
import imnet_data as imnet
try:
    imnet.open_loader({str(root)!r}, imnet.TrainRecipe(), batch_size=8, decoder="dali")
except imnet.ImnetError as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "MissingExtra\n"


@pytest.mark.parametrize("version", ["2.0.0", "2.4.0", "2.0.0dev.20260101", "10.1.0"])
def test_dali_that_keeps_its_outputs_is_taken(version):
    require_dali(version)


def test_pipelines_keep_the_outputs_that_are_held(extents, root):
    with open_dali(extents) as loader:
        assert loader._decoder(1)._pipeline.exec_dynamic
    with imnet.Dataset.open(root, "val") as dataset:
        assert pipeline(dataset, EVALUATE, batch_size=2, threads=1).exec_dynamic


def test_what_is_fed_is_not_copied_and_stays_until_it_is_decoded(extents):
    with open_dali(extents) as loader:
        decoder = loader._decoder(4)
        assert b"no_copy" in decoder._pipeline.serialize()
        batches = decoder.decoded(loader._reader.epoch(1))
        next(batches)
        under_way = decoder._feed.under_way
        assert 1 <= len(under_way) < 6
        for fed in under_way:
            files, *_ = fed.arrays
            assert [file.tobytes() for file in files] == fed.batch.images
            assert all(not file.flags.owndata for file in files)  # the very bytes that were read
        assert len(list(batches)) == 5
        assert not under_way


def test_threads_are_a_share_of_the_cores_that_local_ranks_have(extents, root, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    with DaliLoader(extents, TRAIN, schedule()) as loader:
        assert loader._threads == 1
    with imnet.Dataset.open(root, "val") as dataset:
        assert pipeline(dataset, EVALUATE, batch_size=2).num_threads == 1
        assert pipeline(dataset, EVALUATE, batch_size=2, threads=9).num_threads == 9


@pytest.mark.parametrize("name", ["image", "image_slice", "image_random_crop"])
def test_decoders_of_a_gpu_take_the_options(extents, name):
    """The graph can be put together and written down where there is no GPU, but not built."""
    options = decode_options(
        extents.width, extents.height, device_id=0, threads=1, hw_decoder_load=0.25
    )
    with Pipeline(4, 1, None) as graph:
        jpegs = fn.external_source(name="jpegs")
        images = getattr(fn.decoders, name)(jpegs, **options)
        graph.set_outputs(resized(images, [32, 32], "bicubic"))
    written = graph.serialize()
    assert b"mixed" in written
    for option in options.keys() - {"device"}:
        assert option.encode() in written


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_graph_of_a_gpu_can_be_put_together(extents, recipe):
    """What comes behind the decoder is on the GPU, too."""
    found = {}
    for device_id in (None, 0):
        options = decode_options(extents.width, extents.height, device_id=device_id, threads=1)
        decoder = Decoder(recipe, batch_size=4, threads=1, device_id=None, options=options)
        assert decoder._pipeline is not None
        written = decoder._pipeline.serialize()
        found[device_id] = (written.count(b"mixed"), written.count(b"\x03gpu") > 1)
    assert found == {None: (0, False), 0: (1, True)}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset of 24 images to train with and 9 to evaluate on, of a format without extents."""
    folder = tmp_path_factory.mktemp("dali")
    synth(
        folder / "in",
        class_count=3,
        images_per_class=8,
        val_per_class=3,
        test_count=2,
        mean_nbytes=3000,
    )
    imnet.convert([folder / "in"], folder / "out", format="folder", workers=1)
    return folder / "out"


@pytest.mark.parametrize("recipe", [TRAIN, EVALUATE], ids=["train", "evaluate"])
def test_open_loader_has_it_by_name(root, recipe):
    options: dict[str, Any] = {"batch_size": 8, "seed": 2, "rank": 1, "world_size": 2}
    with (
        imnet.open_loader(root, recipe, decoder="dali", **options) as loader,
        imnet.open_loader(root, recipe, **options) as other,
    ):
        assert isinstance(loader, DaliLoader)
        assert len(loader) == len(other)
        assert_near(loader.epoch(3), other.epoch(3))


def test_torch_is_not_needed_on_the_cpu(root):
    code = f"""
import sys
sys.modules["torch"] = None  # as where it is not installed
import imnet_data as imnet
recipe = imnet.TrainRecipe(size=32)
loader = imnet.open_loader({str(root)!r}, recipe, batch_size=8, decoder="dali")
print(len(list(loader.epoch(0))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"


@pytest.mark.gpu
class TestOnAGpu:
    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch", reason="torch is not installed")
        if not self.torch.cuda.is_available():
            pytest.skip("there is no CUDA device")

    @staticmethod
    def to_host(batches):
        return [batch._replace(images=batch.images.cpu().numpy()) for batch in batches]

    @staticmethod
    def assert_about(batches, others, *, most):
        assert batches
        for batch, other in zip(batches, others, strict=True):
            np.testing.assert_array_equal(batch.indices, other.indices)
            np.testing.assert_array_equal(batch.labels, other.labels)
            differences = np.abs(batch.images.astype(int) - other.images).mean(axis=(1, 2, 3))
            assert differences.max(initial=0) < most

    @pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
    @pytest.mark.parametrize("hw_decoder_load", [0.0, 0.65, 1.0])
    def test_batches_are_about_those_of_the_cpu_loader(self, seekable, recipe, hw_decoder_load):
        options = {"device": "cuda", "hw_decoder_load": hw_decoder_load}
        with open_dali(seekable, recipe, **options) as loader:
            batches = self.to_host(loader.epoch(1))
        self.assert_about(batches, expected_of(seekable, recipe), most=MOST_ON_A_GPU)

    def test_grey_progressive_and_cmyk_are_decoded(self, extents):
        with open_dali(extents, device="cuda") as loader:
            batches = self.to_host(loader.epoch(1))
        self.assert_about(batches, expected_of(extents), most=MOST_ON_A_GPU)

    def test_the_cut_changes_next_to_nothing(self, seekable):
        with (
            open_dali(seekable, device="cuda") as loader,
            open_dali(seekable, device="cuda", cut=False) as other,
        ):
            self.assert_about(self.to_host(loader.epoch(1)), self.to_host(other.epoch(1)), most=0.5)

    def test_a_damaged_record_is_named(self, extents, jpegs):
        source = with_record(extents, 17, jpegs[17][: len(jpegs[17]) // 2])
        with pytest.raises(ImageError, match=r"n00000017_17 \(record 17\)"):
            epoch_of(source, EVALUATE, device="cuda")

    def test_batches_hold_while_others_are_made(self, seekable):
        with open_dali(seekable, device="cuda") as loader:
            sums = [int(batch.images.sum()) for batch in loader.epoch(1)]
            assert sums == [int(batch.images.sum()) for batch in list(loader.epoch(1))]
            late = []
            for batch in loader.epoch(1):
                self.torch.cuda._sleep(10_000_000)  # work that is not done when the next is made
                late.append(batch.images.sum())
            assert sums == [int(value) for value in late]

    def test_one_word_is_enough(self, root):
        torch = self.torch
        options: dict[str, Any] = {"batch_size": 8, "seed": 2}
        loader: Any  # TorchLoaders
        exact: Any
        with (
            imnet.open_loader(root, TRAIN, device="cuda", **options) as loader,
            imnet.open_loader(root, TRAIN, device="cuda", decoder="cpu", **options) as exact,
        ):
            assert isinstance(loader.loader, DaliLoader)
            for batch, other in itertools.zip_longest(loader.epoch(0), exact.epoch(0)):
                assert torch.equal(batch.indices, other.indices)
                assert torch.equal(batch.labels, other.labels)
                assert batch.images.device == other.images.device
                assert batch.images.shape == other.images.shape
                difference = (batch.images - other.images).abs().mean()
                assert difference < MOST_ON_A_GPU / 255 / 0.22  # what normalizing makes of it
