"""After each policy for bad images, every reader takes all that the conversion did not name."""

import numpy as np
import pytest
from click.testing import CliRunner
from odd_jpegs import odd_jpegs

import imnet_data as imnet
from imnet_data.cli import main
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ImageError

# Pillow's, of damaged EXIF and of transparency
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

WNIDS = ("n01440764", "n01443537")
RECIPE = imnet.EvalRecipe(resize=20, crop=16)
POLICIES = ("error", "fix", "skip", "keep")
NOT_DECODABLE = ("refused", "undecodable")  # by anybody; what is damaged is filled by some
NAMED = (*NOT_DECODABLE, "damaged")


def run(*words, status=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == status, done.output
    return done.output


def write_tree(root, *, without=frozenset()):
    """Half of the corpus, in two classes; a tenth of it is val, too."""
    for number, (_, image) in enumerate(odd_jpegs()[1::2]):
        wnid = WNIDS[number % 2]
        for split in ("train", "val")[: 2 if number % 10 < 2 else 1]:
            if (split, f"{wnid}_{number}") not in without:
                path = root / split / wnid / f"{wnid}_{number}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(image)
    return root


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return write_tree(tmp_path_factory.mktemp("odd"))


@pytest.fixture(scope="module", params=POLICIES)
def made(request, tree, tmp_path_factory):
    """A policy, with a webdataset and a folder made under it.

    Where the policy refuses images, these are taken out of the source as the list says: once.
    """
    policy, root = request.param, tmp_path_factory.mktemp(request.param)
    more = ("--bad", policy, "--classes", "found")
    if policy in ("error", "fix"):
        run("convert", tree, root / "webdataset", *more, status=1)
        listed = (root / "webdataset" / ".part" / "refused.txt").read_text().splitlines()
        named = {(line.split()[0].rstrip(":"), line.split()[1]) for line in listed}
        assert len(named) == len(listed) > 50
        write_tree(root / "rest", without=named)
        run("convert", root / "rest", root / "webdataset", *more, "--force")
        tree = root / "rest"
    else:
        run("convert", tree, root / "webdataset", *more)
    run("convert", tree, root / "folder", "--format", "folder", *more)
    return policy, root


def keys(root, *verdicts, split="train"):
    """Keys that `inspect` lists under verdicts, as `convert` says."""
    printed = (run("inspect", root, "--verdict", verdict, "--split", split) for verdict in verdicts)
    return {line.split("\t")[1] for lines in printed for line in lines.splitlines()}


def test_only_keep_lets_pass_what_nobody_decodes(made):
    policy, root = made
    for name in ("webdataset", "folder"):
        count = len(keys(root / name, *NOT_DECODABLE))
        assert count > 50 if policy == "keep" else not count
        assert bool(keys(root / name, "damaged")) == (policy == "keep")
    with Dataset.open(root / "webdataset", "train") as dataset:
        assert len(dataset) > (100 if policy in ("error", "skip") else 400)


def test_the_cpu_loader_and_the_map_style_dataset_read_all_that_is_not_named(made):
    pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    from imnet_data.loaders.torch_dataset import ImageNet

    _, root = made
    root = root / "webdataset"
    refused = keys(root, *NOT_DECODABLE)
    with Dataset.open(root, "train") as dataset:
        names = [key.decode() for key in dataset.index.key]
    with imnet.open_loader(root, RECIPE, split="train", batch_size=64, on_error="skip") as loader:
        if refused:
            with pytest.warns(RuntimeWarning, match=f"{len(refused)} records were skipped"):
                batches = list(loader.epoch(0))
        else:
            batches = list(loader.epoch(0))
        assert {names[index] for index in loader.skipped} == refused
        given = {names[index] for batch in batches for index in batch.indices.tolist()}
        assert given == {*names} - refused
    images = ImageNet(root, "train")
    for index, key in enumerate(names):
        if key in refused:
            with pytest.raises(ImageError, match=rf"^{key} .* --bad skip` leaves such images out"):
                images[index]
        else:
            assert images[index][0].mode == "RGB"


def test_image_folder_gives_the_same_pixels_of_all_that_is_not_named(made, torchvision):
    from imnet_data.loaders.torch_dataset import ImageNet

    _, root = made
    named = keys(root / "folder", *NAMED)
    images = ImageNet(root / "webdataset", "train")
    with Dataset.open(root / "webdataset", "train") as dataset:
        rows = {key.decode(): row for row, key in enumerate(dataset.index.key)}
    folder = torchvision.datasets.ImageFolder(root / "folder" / "train")
    assert len(folder) == len(rows)
    failed = set()
    for number, (path, label) in enumerate(folder.samples):
        key = path.rpartition("/")[2].partition(".")[0]
        try:
            image, _ = folder[number]
        except (OSError, SyntaxError, ValueError):
            failed.add(key)
            continue
        if key not in named:
            expected, wanted = images[rows[key]]
            assert np.array_equal(np.asarray(image), np.asarray(expected)), key
            assert label == wanted
    assert keys(root / "folder", *NOT_DECODABLE) <= failed <= named


def test_train_reads_all_or_ends_before_its_first_step_with_a_way_on(made, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed: the extra `torch`")
    torch.set_num_threads(1)
    policy, root = made
    short = ("--recipe", "demo", "--epochs", "1", "--device", "cpu", "--log-every", "1")
    root = root / "webdataset"
    if policy == "keep":
        said = run("train", root, "--out", tmp_path / "refused", *short, status=1)
        assert "`imnet-data convert DATASET OUT --bad skip` leaves such images out" in said
        assert not (tmp_path / "refused").exists()
        run("convert", root, tmp_path / "skipped", "--bad", "skip")
        root = tmp_path / "skipped"
    run("train", root, "--out", tmp_path / "run", *short)


def test_the_policies_cover_all_that_there_are():
    from imnet_data.images import fixups

    assert {*POLICIES} == {*fixups.POLICIES}
