"""`TorchLoader` and `ImageNet`, held against the CPU loader, Pillow and torch's own DataLoader."""

import copy
import inspect
import io
import multiprocessing
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

import imnet_data as imnet
from imnet_data.dataset.description import Options
from imnet_data.errors import ImageError
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.synth import synth
from imnet_data.transforms import normalize

torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")

from imnet_data.loaders import torch as loaders  # noqa: E402
from imnet_data.loaders.device import constants, normalized  # noqa: E402

# three numbers that are not ImageNet's, so that none is taken for granted
TRAIN = imnet.TrainRecipe(size=32, mean=(0.4, 0.5, 0.6), std=(0.3, 0.2, 0.1))
EVALUATE = imnet.EvalRecipe(resize=36, crop=32)
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tarballs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tarballs")
    synth(
        folder,
        class_count=3,
        images_per_class=9,
        val_per_class=3,
        test_count=2,
        mean_nbytes=3000,
    )
    return folder


@pytest.fixture(scope="module")
def root(tarballs, tmp_path_factory):
    """A dataset of 27 images to train with and 9 to evaluate on."""
    folder = tmp_path_factory.mktemp("torch") / "dataset"
    imnet.convert([tarballs], folder, format="webdataset", workers=1)
    return folder


def open_torch(root, recipe=TRAIN, *, batch_size=4, device="cpu", dtype=torch.float32, **options):
    loader = imnet.open_loader(root, recipe, batch_size=batch_size, **options)
    return loaders.TorchLoader(loader, device=device, dtype=dtype)


def assert_same(batches, others):
    assert batches
    for batch, other in zip(batches, others, strict=True):
        for ours, theirs in zip(batch, other, strict=True):
            assert torch.equal(ours, theirs)


def bits(images):
    """Return the numbers as integers, so that those of bfloat16 can be compared."""
    return images.contiguous().view(torch.int32 if images.dtype == torch.float32 else torch.int16)


def name_of(dtype) -> Any:
    return str(dtype).removeprefix("torch.")


def normalized_bits(batch, dtype):
    values = normalize(batch.images, mean=TRAIN.mean, std=TRAIN.std, dtype=name_of(dtype))
    return torch.from_numpy(values.view("int32" if dtype == torch.float32 else "int16"))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_tensors_are_the_batches_of_the_cpu_normalised(root, dtype, channels_last):
    with imnet.open_loader(root, TRAIN, batch_size=4, seed=3) as loader:
        expected = [
            (normalized_bits(batch, dtype), batch.labels.copy(), batch.indices.copy())
            for batch in loader.epoch(2)
        ]
        made = loaders.TorchLoader(loader, dtype=dtype, channels_last=channels_last)
        batches = list(made.epoch(2))
    assert len(batches) > 1
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for batch, (values, labels, indices) in zip(batches, expected, strict=True):
        assert batch.images.shape == (4, 3, 32, 32)
        assert batch.images.dtype == dtype
        assert batch.images.is_contiguous(memory_format=layout)
        assert torch.equal(bits(batch.images), values)
        np.testing.assert_array_equal(batch.labels, labels)
        np.testing.assert_array_equal(batch.indices, indices)
        assert batch.labels.dtype == batch.indices.dtype == torch.int64


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_arithmetic_of_devices_is_that_of_normalize(dtype, channels_last):
    # every value of every channel
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    values = normalized(
        torch.from_numpy(images),
        constants(TRAIN, torch.device("cpu")),
        dtype=dtype,
        channels_last=channels_last,
    )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert values.is_contiguous(memory_format=layout)
    expected = normalize(images, mean=TRAIN.mean, std=TRAIN.std, dtype=name_of(dtype))
    as_integers = "int32" if dtype == torch.float32 else "int16"
    assert torch.equal(bits(values), torch.from_numpy(expected.view(as_integers)))


def test_tensors_that_are_held_do_not_change(root):
    with open_torch(root) as loader:
        held = list(loader.epoch(0))
        copies = [batch.images.clone() for batch in held]
        assert len(list(loader.epoch(1))) == len(held) > 1
    for batch, images in zip(held, copies, strict=True):
        assert torch.equal(batch.images, images)


def test_memory_of_torch_is_used_again_and_not_while_it_is_held(root):
    sizes = []

    def allocate(nbytes):
        sizes.append(nbytes)
        return torch.empty(nbytes, dtype=torch.uint8).numpy()

    dataset = imnet.Dataset.open(root, "train")
    schedule = Schedule(count=27, batch_size=4)
    with CpuLoader(source_of(dataset), TRAIN, schedule, allocate=allocate) as loader:
        held = [torch.from_numpy(batch.images) for batch in loader.epoch(0)]
        copies = [images.clone() for images in held]
        assert len(sizes) == 6
        for number in range(3):
            for _ in loader.epoch(number):
                pass
        assert_same([held], [copies])
        assert len(sizes) == 6 + 4
        del held
        for _ in loader.epoch(0):
            pass
    assert len(sizes) == 6 + 4


def test_memory_is_pinned_for_a_gpu_unless_the_user_allocates_it(root):
    def allocate(nbytes):
        return np.zeros(nbytes, np.uint8)

    schedule = Schedule(count=27, batch_size=4)
    with imnet.Dataset.open(root, "train") as dataset:
        with CpuLoader(source_of(dataset), TRAIN, schedule, allocate=allocate) as loader:
            own = loader.buffers
            loaders.pin_buffers(loader)
            assert loader.buffers is own
            assert own._allocate is allocate
        with CpuLoader(source_of(dataset), TRAIN, schedule) as loader:
            loaders.pin_buffers(loader)
            assert loader.buffers._allocate is loaders.pinned


def test_iterating_gives_one_epoch_after_another_or_the_one_that_is_set(root):
    with open_torch(root) as loader:
        epochs = [[batch[:2] for batch in loader.epoch(number)] for number in range(6)]
        assert len(loader) == len(epochs[0]) == 6
        assert_same(loader, epochs[0])
        assert_same(loader, epochs[1])
        loader.set_epoch(5)
        assert_same(loader, epochs[5])
        loader.sampler.set_epoch(1)
        next(iter(loader))  # left early
        assert_same(loader, epochs[2])
        loader.set_epoch(1)
        assert_same(loader, epochs[1])


def test_a_loader_has_what_trainers_ask_of_it(root):
    with open_torch(root, seed=7) as loader:
        assert loader.batch_size == 4
        assert len(loader.dataset) == 27
        assert len(loader.dataset.classes) == 3
        loader.sampler.set_epoch(2)
        indices = torch.cat([batch.indices for batch in loader.epoch(2)])
        assert list(loader.sampler) == indices.tolist()
        assert list(loader.batch_sampler) == indices.view(6, 4).tolist()
        assert len(loader.sampler) == 24
        assert (len(loader.batch_sampler), loader.batch_sampler.batch_size) == (6, 4)
        assert loader.drop_last
        assert loader.batch_sampler.drop_last
    for rank in range(2):
        with open_torch(root, EVALUATE, rank=rank, world_size=2) as loader:
            assert len(loader.sampler) == len(list(loader.sampler)) == 4 + rank
            assert not loader.drop_last


def test_a_loader_has_every_attribute_of_a_dataloader_without_workers(root):
    dataset = torch.utils.data.TensorDataset(torch.zeros(8))
    theirs = torch.utils.data.DataLoader(dataset, batch_size=4, drop_last=True)
    ours_alone = {"dataset", "sampler", "batch_sampler", "collate_fn"}
    with open_torch(root) as loader:
        for name in set(inspect.signature(torch.utils.data.DataLoader).parameters) | {"dataset"}:
            if name in {"shuffle", "in_order", "pin_memory_device"}:
                continue  # what frameworks do not read
            assert hasattr(loader, name), name
            if name not in ours_alone:
                assert getattr(loader, name) == getattr(theirs, name), name


def test_batches_have_the_shape_that_is_asked_for(root):
    names = ("pixel_values", "labels", "idx")
    opened = imnet.open_loader(root, TRAIN, batch_size=4)
    with loaders.TorchLoader(opened) as loader:
        expected = list(loader.epoch(0))
        pairs = loaders.TorchLoader(opened, names=names[:2])
        assert_same([tuple(batch.values()) for batch in pairs], [b[:2] for b in expected])
        assert list(next(iter(pairs))) == ["pixel_values", "labels"]
        assert_same(loaders.TorchLoader(opened, with_indices=True), expected)
        threes = loaders.TorchLoader(opened, names=names, with_indices=True)
        assert_same([[batch[name] for name in names] for batch in threes], expected)
        for wrong in ("xy", ("x",), ("x", "x"), names):
            with pytest.raises(ValueError, match=r"one each is needed for images, labels$"):
                loaders.TorchLoader(opened, names=wrong)


@pytest.mark.parametrize("taken", range(7))
def test_a_state_goes_on_exactly_where_it_was_taken(root, taken):
    with open_torch(root, threads=1) as loader, open_torch(root, threads=3) as other:
        loader.set_epoch(3)
        batches = iter(loader)
        for _ in range(taken):
            next(batches)
        state = copy.deepcopy(loader.state_dict())
        assert (state["epoch"], state["records"]) == (3, 4 * taken)
        other.load_state_dict(pickle.loads(pickle.dumps(state)))
        assert other.state_dict() == state
        other.set_epoch(3)  # as a trainer does at the start of each epoch: of 3, 6 - taken are left
        assert_same(other, batches)
        assert_same(other, [batch[:2] for batch in loader.epoch(4)])


def test_a_state_at_the_end_of_an_epoch_goes_on_with_the_next_one(root):
    with open_torch(root) as loader, open_torch(root) as other:
        loader.set_epoch(3)
        for _batch, _ in zip(loader, range(6), strict=False):
            state = loader.state_dict()
        assert (state["epoch"], state["records"]) == (3, 24)
        other.load_state_dict(state)
        assert other.next_epoch == 4
        assert_same(other, [batch[:2] for batch in loader.epoch(4)])
        assert other.next_epoch == 5


def test_the_state_after_an_epoch_is_the_start_of_the_next(root):
    with open_torch(root) as loader:
        for _ in loader:
            pass
        assert (loader.state_dict()["epoch"], loader.state_dict()["records"]) == (1, 0)
        loader.set_epoch(8)
        assert (loader.state_dict()["epoch"], loader.state_dict()["records"]) == (8, 0)


def test_a_state_goes_on_with_other_ranks_and_batches(root):
    with open_torch(root, batch_size=4) as loader:
        batches = iter(loader)
        for _ in range(4):
            next(batches)
        state = loader.state_dict()
        rest = torch.cat([images for images, _ in batches])
    ranks = []
    for rank in range(2):
        with open_torch(root, batch_size=2, rank=rank, world_size=2) as loader:
            loader.load_state_dict(state)
            ranks.append([images for images, _ in loader])
    steps = [torch.cat(step) for step in zip(*ranks, strict=True)]
    assert torch.equal(torch.cat(steps), rest)
    with open_torch(root, batch_size=8) as loader:
        loader.load_state_dict(state)
        assert torch.equal(torch.cat([images for images, _ in loader]), rest)


def test_a_state_that_does_not_belong_here_is_refused(root, tarballs, tmp_path):
    with open_torch(root) as loader:
        next(batches := iter(loader))
        next(batches)
        state = loader.state_dict()
    with (
        open_torch(root, seed=1) as loader,
        pytest.raises(ValueError, match="the state has seed 0, this loader has 1"),
    ):
        loader.load_state_dict(state)
    with (
        open_torch(root, split="val") as loader,
        pytest.raises(ValueError, match=r"the state has digest '[0-9a-f]+', this loader has"),
    ):
        loader.load_state_dict(state)
    with (
        open_torch(root, batch_size=3) as loader,
        pytest.raises(
            ValueError,
            match="8 records of epoch 0 were taken, which is not a whole number of the current "
            "batches: 9 of 3 records over all ranks",
        ),
    ):
        loader.load_state_dict(state)


_MEMBER = """
import sys
import torch.distributed as dist
from imnet_data.loaders.torch import rank_and_world
alone = rank_and_world()
rank = int(sys.argv[1])
dist.init_process_group("gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2)
print(alone, rank_and_world())
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch has no torch.distributed")
def test_rank_and_world_are_those_of_torch_distributed(tmp_path):
    members = [
        subprocess.Popen(
            [sys.executable, "-c", _MEMBER, str(rank), str(tmp_path / "meeting")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    told = [member.communicate(timeout=120)[0].strip() for member in members]
    assert told == [f"(0, 1) ({rank}, 2)" for rank in range(2)]


def test_wrong_arguments_say_what_is_allowed(root):
    with pytest.raises(ValueError, match=r"dtype is torch.uint8; allowed are torch.float32, "):
        open_torch(root, dtype=torch.uint8)
    dataset = imnet.Dataset.open(root, "train")
    with CpuLoader(source_of(dataset), TRAIN, Schedule(count=27, batch_size=4)) as loader:
        with pytest.raises(
            ValueError, match=r"batches_on_device is 0; allowed are integers from 1"
        ):
            loaders.TorchLoader(loader, batches_on_device=0)
        with pytest.raises(ValueError, match=r"made without a dataset; pass one to CpuLoader"):
            loaders.TorchLoader(loader).state_dict()


def test_plain_batches_are_on_the_device_that_was_asked_for(root):
    loader = open_torch(root, EVALUATE, device="meta", split="val")
    assert {part.device.type for batch in loader.epoch(0) for part in batch} == {"meta"}


def test_a_device_that_is_not_there_is_refused(root):
    with pytest.raises(ValueError, match=r"device is 'quda'; allowed are cpu, cuda and cuda:N"):
        open_torch(root, device="quda")
    with pytest.raises(
        ValueError, match=r"device is 'cuda:99', and torch .* finds \d+ GPUs; choose"
    ):
        open_torch(root, device="cuda:99")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_gpu_gives_the_numbers_of_the_cpu(root, dtype, channels_last):
    def batches(device):
        opened = imnet.open_loader(root, TRAIN, batch_size=4)
        options = {"device": device, "dtype": dtype, "channels_last": channels_last}
        with loaders.TorchLoader(opened, **options) as loader:
            return [[part.cpu() for part in batch] for batch in loader.epoch(1)]

    assert_same(batches("cuda"), batches("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_keeps_what_is_held_and_may_be_left_early(root):
    with open_torch(root) as loader:
        expected = [batch[:2] for batch in loader.epoch(0)]
    options: dict[str, Any] = {"device": "cuda", "decoder": "cpu"}
    with imnet.open_loader(root, TRAIN, batch_size=4, **options) as loader:
        assert torch.from_numpy(next(loader.loader.epoch(0)).images).is_pinned()
        next(iter(loader.epoch(1)))
        held = list(loader.epoch(0))
        for _ in loader.epoch(1):
            pass
    assert_same([[part.cpu() for part in batch[:2]] for batch in held], expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_gpu_reserves_no_more_memory_with_each_epoch(root):
    options: dict[str, Any] = {"device": "cuda", "decoder": "cpu"}
    with imnet.open_loader(root, TRAIN, batch_size=4, **options) as loader:
        reserved = []
        for epoch in range(40):
            assert len(list(loader.epoch(epoch))) == 6
            reserved.append(torch.cuda.memory_reserved())
    assert len(set(reserved[4:])) == 1  # after some in which it settles


def to_array(image):
    return np.asarray(image)


def negative(label):
    return -label


def test_a_dataset_has_images_labels_and_classes(root):
    dataset = loaders.ImageNet(root, "val", transform=to_array, target_transform=negative)
    with imnet.Dataset.open(root, "val") as records:
        assert len(dataset) == len(records) == 9
        assert dataset.classes == dataset.wnids == records.classes
        np.testing.assert_array_equal(dataset.targets, records.labels)
        for index, record in enumerate(records):
            image, label = dataset[index]
            assert -label == dataset.class_to_idx[record.wnid]
            expected = Image.open(io.BytesIO(record.jpeg)).convert("RGB")
            np.testing.assert_array_equal(image, expected, err_msg=record.key)
    assert loaders.ImageNet(root, "val")[-1][0].mode == "RGB"
    for index in (9, -10):
        with pytest.raises(IndexError, match=f"record {index} of 9"):
            dataset[index]
    assert loaders.ImageNet(root, "test")[0][1] == -1


def pixels_of(dataset):
    return [dataset[index][0].tobytes() for index in range(len(dataset))]


def test_a_dataset_gives_the_same_from_every_format(root, tarballs, tmp_path):
    expected = pixels_of(loaders.ImageNet(root, "train"))
    for name, options in (("folder", Options()), ("lmdb", Options()), ("beton", Options(raw=0.5))):
        imnet.convert([tarballs], tmp_path / name, format=name, options=options, workers=1)
        assert pixels_of(loaders.ImageNet(tmp_path / name, "train")) == expected, name


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize(
    "method",
    ["fork", pytest.param("spawn", marks=pytest.mark.slow)],  # each worker imports torch
)
def test_workers_that_are_forked_or_spawned_give_the_same(root, method):
    dataset = loaders.ImageNet(root, "val", transform=shrunk)
    expected = [dataset[index] for index in range(9)]
    made = torch.utils.data.DataLoader(
        dataset,
        batch_size=2,
        num_workers=2,
        multiprocessing_context=multiprocessing.get_context(method),
    )
    labels = []
    images = []
    for of_batch, labels_of_batch in made:
        images += list(of_batch)
        labels += labels_of_batch.tolist()
    assert labels == [label for _, label in expected]
    assert_same([images], [[image for image, _ in expected]])


def shrunk(image):
    return torch.from_numpy(np.array(image.resize((16, 16))))


def test_what_is_sent_to_a_worker_is_small(root):
    sent = pickle.dumps(loaders.ImageNet(root, "train", transform=shrunk))
    assert len(sent) < 1000
    assert pickle.loads(sent)[3][1] == loaders.ImageNet(root, "train")[3][1]


def test_a_damaged_image_is_an_error_that_names_the_record(tarballs, tmp_path):
    imnet.convert([tarballs], tmp_path / "out", format="folder", workers=1)
    with imnet.Dataset.open(tmp_path / "out", "val") as records:
        key = records[4].key
    (path,) = (tmp_path / "out" / "val").rglob(f"{key}.*")
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(ImageError, match=rf"{key} \(record 4\) in .*out: it cannot be decoded"):
        loaders.ImageNet(tmp_path / "out", "val")[4]


def test_the_package_does_not_import_torch_by_itself():
    code = (
        "import sys, imnet_data; imnet_data.open_loader; imnet_data.TrainRecipe;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
