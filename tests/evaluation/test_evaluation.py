import csv
import dataclasses
import io
import json
import tarfile
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from imnet_data.cli import main
from imnet_data.conversion.convert import convert
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import EvaluationError
from imnet_data.evaluation import Model, Protocol, evaluate, load_model, mapping, page, score, text
from imnet_data.imagenet import labels, variants
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.loaders.source import source_of
from imnet_data.metrics import Accuracy, ClassSpace
from imnet_data.transforms import EvalRecipe, eval_image

WNIDS = labels.ilsvrc2012_wnids()
A = [WNIDS.index(wnid) for wnid in variants.wnids("imagenet-a")]
TINY = Protocol(recipes=(EvalRecipe(resize=8, crop=8),))
V2 = "imagenetv2-top-images-format-val"
SEEN_AS_NEXT = 7  # the model of these tests takes every seventh class for the next one


def painted(label, size=(8, 8), kind="JPEG"):
    """A picture that a model can read its class from: three digits, a colour each."""
    colour = tuple(25 * int(digit) for digit in f"{label:03d}")
    file = io.BytesIO()
    image = Image.new("RGB", size, colour)
    image.save(file, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    return file.getvalue()


def depicted(images):
    """The labels that were painted, int[n]."""
    digits = np.rint(images.mean(axis=(1, 2)) / 25).astype(np.int64)
    return digits @ [100, 10, 1]


def logits_for(predicted, *, count=1000, height=9.0):
    logits = np.zeros((len(predicted), count), np.float32)
    logits[np.arange(len(predicted)), predicted] = height
    return logits


def seen(images, recipe):
    label = depicted(images)
    return logits_for(label + ((label % SEEN_AS_NEXT == 0) & (label < 999)))


SORTED = Model("painted", seen)


def in_order(wnids_of_outputs, logits=seen):
    """The same model with outputs in another order, without saying so."""
    columns = [WNIDS.index(wnid) if wnid else 0 for wnid in wnids_of_outputs]
    hidden = np.where(np.array(wnids_of_outputs) == "", np.float32(-9), np.float32(0))
    return Model("painted", lambda images, recipe: logits(images, recipe)[:, columns] + hidden)


def write_tar(path, contents):
    with tarfile.open(path, "w") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def converted(folder, contents):
    convert([write_tar(folder / "in.tar", contents)], folder / "out", workers=1)
    return folder / "out"


@pytest.fixture(scope="session")
def v2(tmp_path_factory):
    """1000 images, one per class."""
    names = {f"{V2}/{label}/x.jpeg": painted(label) for label in range(1000)}
    return converted(tmp_path_factory.mktemp("v2"), names)


@pytest.fixture(scope="session")
def imagenet_a(tmp_path_factory):
    """200 images, one per class of ImageNet-A."""
    names = {f"imagenet-a/{WNIDS[label]}/x.jpg": painted(label) for label in A}
    return converted(tmp_path_factory.mktemp("a"), names)


@pytest.fixture(scope="session")
def val(tmp_path_factory):
    """The first 23 of the val images of ILSVRC2012, all larger than a crop of 16, and noisy."""
    folder = tmp_path_factory.mktemp("val")
    random = np.random.default_rng(3)
    for number, wnid in enumerate(labels.val_wnids()[:23], 1):
        path = folder / "in/val" / wnid / f"ILSVRC2012_val_{number:08d}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = random.integers(24, 50, 2)
        pixels = random.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path, quality=95, subsampling=0)
    # with a limit, classes may be without images
    convert([folder / "in"], folder / "out", options=Options(limit=10**9), workers=1)
    return folder / "out"


def images_of(root, recipe):
    with Dataset.open(root) as dataset:
        schedule = Schedule(count=len(dataset), batch_size=5, order="sequential", last="ragged")
        with CpuLoader(source_of(dataset), recipe, schedule, threads=1) as loader:
            return np.concatenate([batch.images for batch in loader.epoch(0)])


def pictures_of(root):
    with Dataset.open(root) as dataset:
        return [Image.open(io.BytesIO(record.jpeg)).convert("RGB") for record in dataset]


def test_every_record_is_scored_and_counted_exactly(v2):
    told = evaluate(SORTED, v2, protocol=TINY, batch_size=64)
    wrong = len(range(0, 999, SEEN_AS_NEXT))
    assert told.results.accuracy() == Accuracy(1000 - wrong, 1000)
    assert told.results.accuracy(5).correct > 1000 - wrong  # of equal logits the lowest labels
    assert told.results.taken_for(7) == {8: 1}
    assert (told.dataset_name, told.split) == ("imagenetv2-top-images", "val")
    assert (told.class_count, told.published_count) == (1000, 10_000)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_ranks_together_give_exactly_what_one_gives(val, world_size):
    weights = np.random.default_rng(0).normal(0, 1, (16 * 16 * 3, 1000)).astype(np.float32)
    model = Model("linear", lambda images, recipe: images.reshape(len(images), -1) @ weights)
    protocol = Protocol(recipes=(EvalRecipe(resize=20, crop=16),))
    with Dataset.open(val) as dataset:
        parts = [
            score(model, dataset, protocol=protocol, batch_size=4, rank=r, world_size=world_size)
            for r in range(world_size)
        ]
        whole = score(model, dataset, protocol=protocol, batch_size=23).complete()
    together = parts[0].merged(*parts[1:]).complete()
    np.testing.assert_array_equal(together.top, whole.top)
    assert together.accuracy(5) == whole.accuracy(5)
    if world_size > 1:
        with pytest.raises(EvaluationError, match="of 23 records were scored"):
            parts[0].complete()


@pytest.mark.parametrize("convention", ["sorted", "ilsvrc", "tf"])
def test_a_model_that_says_its_order_is_right_in_every_convention(v2, convention):
    outputs = mapping.outputs_of(convention)
    model = in_order(outputs)._replace(classes=outputs)
    assert evaluate(model, v2, protocol=TINY).results.accuracy().correct == 857


def test_1001_outputs_are_taken_for_background_and_the_sorted_classes(v2):
    model = in_order(mapping.outputs_of("tf"))
    assert evaluate(model, v2, protocol=TINY).results.accuracy().correct == 857


@pytest.mark.parametrize(
    ("outputs", "correct", "order"),
    [
        (mapping.outputs_of("ilsvrc"), 0, "the model has the devkit's order"),
        ((*WNIDS[1:], WNIDS[0]), 143, "the model's outputs are one too low"),
        ((WNIDS[-1], *WNIDS[:-1]), 0, "the model's outputs are one too high"),
        (sorted(WNIDS, key=lambda w: str(WNIDS.index(w))), 12, "model's folders were sorted as"),
    ],
)
def test_an_order_that_the_model_did_not_say_is_found_out(v2, outputs, correct, order):
    model = in_order(outputs)
    with Dataset.open(v2) as dataset:
        results = score(model, dataset, protocol=TINY).complete()
    assert results.accuracy() == Accuracy(correct, 1000)  # instead of 857: what it would have cost
    with pytest.raises(EvaluationError, match=rf"for 85\.[67]. % if .*{order}"):
        evaluate(model, v2, protocol=TINY)


def test_folders_of_v2_that_were_sorted_as_text_are_found_out(tmp_path):
    as_text = sorted(range(1000), key=str)
    root = converted(
        tmp_path, {f"{V2}/{at}/x.jpeg": painted(label) for at, label in enumerate(as_text)}
    )
    with Dataset.open(root) as dataset:
        results = score(SORTED, dataset, protocol=TINY).complete()
    assert results.accuracy() == Accuracy(10, 1000)  # instead of 857
    with pytest.raises(EvaluationError, match="if the dataset's folders were sorted as text"):
        evaluate(SORTED, root, protocol=TINY)


def test_a_model_that_has_learned_nothing_is_not_taken_for_a_wrong_order(v2):
    chance = np.random.default_rng(5).normal(0, 1, (8 * 8 * 3, 1000)).astype(np.float32)
    model = Model("chance", lambda images, recipe: images.reshape(len(images), -1) @ chance)
    assert evaluate(model, v2, protocol=TINY).results.accuracy().correct < 10


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            WNIDS[:998],
            r"the model distinguishes 998 classes, the dataset 1000, and they differ: 2 of "
            r"the dataset alone \(n13133613, n15075141\)",
        ),
        (("n00000001", *WNIDS[1:]), r"1 of the dataset alone \(n01440764\) and 1 of the model"),
        ((WNIDS[1], *WNIDS[1:]), "has a class twice"),
    ],
)
def test_other_classes_than_the_dataset_s_are_refused_and_named(v2, classes, message):
    model = Model(
        "painted", lambda images, recipe: seen(images, recipe)[:, : len(classes)], classes
    )
    with pytest.raises(EvaluationError, match=message):
        evaluate(model, v2, protocol=TINY)


def test_outputs_that_nobody_names_are_refused(v2):
    model = Model("painted", lambda images, recipe: seen(images, recipe)[:, :10])
    with pytest.raises(EvaluationError, match="has 10 outputs, and their classes are not known"):
        evaluate(model, v2, protocol=TINY)
    with pytest.raises(EvaluationError, match="painted has 10 outputs and a list of 1000 classes"):
        evaluate(model._replace(classes=WNIDS), v2, protocol=TINY)


@pytest.mark.parametrize("name", ["imagenet-a", "imagenet-r"])
def test_a_and_r_are_scored_among_their_200_classes(tmp_path, name):
    own = [WNIDS.index(wnid) for wnid in variants.wnids(name)]
    root = converted(tmp_path, {f"{name}/{WNIDS[at]}/x.jpg": painted(at) for at in own})

    def seen_beside(images, recipe):
        """Return the right class, but those that the set lacks a little more."""
        logits = logits_for(depicted(images))
        logits[:, np.setdiff1d(np.arange(1000), own)[::4]] = 9.5
        return logits

    model = Model("painted", seen_beside)
    told = evaluate(model, root, protocol=TINY)
    assert told.results.accuracy() == Accuracy(200, 200)
    assert told.class_count == 200
    with Dataset.open(root) as dataset:
        images, whole = images_of(root, TINY.recipes[0]), ClassSpace.of(1000)
        best = whole.reduce(model.logits(images, TINY.recipes[0])).argmax(axis=1)
        assert (best == dataset.labels).sum() == 0  # what it costs without the mask


def test_a_wrong_order_is_found_out_behind_a_mask(imagenet_a):
    model = in_order(mapping.outputs_of("ilsvrc"))
    with Dataset.open(imagenet_a) as dataset:
        results = score(model, dataset, protocol=TINY).complete()
    assert results.accuracy() == Accuracy(0, 200)  # instead of at least 176
    with pytest.raises(EvaluationError, match=r"for 88\.00 % if the model has the devkit's order"):
        evaluate(model, imagenet_a, protocol=TINY)


def test_objectnet_takes_each_of_a_class_s_wnids_and_its_border_is_cut_off(tmp_path):
    root = tmp_path / "objectnet-1.0/images/alarm_clock"
    root.mkdir(parents=True)
    analog, digital = (WNIDS.index(w) for w in variants.objectnet_folders()["alarm_clock"])
    picture = Image.open(io.BytesIO(painted(digital, (24, 20), "PNG")))
    framed = Image.new("RGB", (28, 24), (255, 0, 0))
    framed.paste(picture, (2, 2))
    framed.save(root / "a.png")
    convert([tmp_path / "objectnet-1.0"], tmp_path / "out", workers=1)
    told = evaluate(
        Model("painted", lambda images, recipe: logits_for(depicted(images))),
        tmp_path / "out",
        protocol=Protocol(recipes=(EvalRecipe(resize=20, crop=20),)),
    )
    assert told.protocol.recipes[0].border == 2
    assert told.results.top[0, 0] == analog  # which stands for both
    assert told.results.accuracy() == Accuracy(1, 1)
    assert told.class_count == 113
    assert "2 pixels cut off each edge" in text.text(told)


def test_real_labels_are_those_of_the_number_in_the_key(val):
    model = Model("constant", lambda images, recipe: logits_for(np.full(len(images), 809)))
    protocol = Protocol(recipes=(EvalRecipe(resize=20, crop=16),))
    told = evaluate(model, val, protocol=protocol, real=variants.real_labels())
    accepted = variants.real_labels()[:23]
    assert told.real == Accuracy(1, sum(map(bool, accepted)))
    assert told.real.total == 21
    assert "4.762 % (1 of 21); 2 have no ReaL label" in text.text(told)
    assert "50,000 were published: do not compare" in text.text(told)


def test_real_labels_are_of_val_images_alone(v2, val):
    with pytest.raises(EvaluationError, match="this is val of imagenetv2-top-images; leave out"):
        evaluate(SORTED, v2, protocol=TINY, real=variants.real_labels())
    with pytest.raises(EvaluationError, match=r"ReaL labels of 2 images; real\.json has 50000"):
        evaluate(SORTED, val, protocol=TINY, real=[[1], [2]])


@pytest.mark.parametrize("resize", [16, 19, 30])
def test_views_are_those_of_single_images(val, resize):
    for view in range(10):
        recipe = EvalRecipe(resize=resize, crop=16, filter="bicubic", view=view)
        expected = [eval_image(np.asarray(picture), recipe) for picture in pictures_of(val)]
        np.testing.assert_array_equal(images_of(val, recipe), np.stack(expected))


def test_a_border_is_cut_off_before_anything_else(val, torchvision):
    resize = torchvision.transforms.Resize(20)
    expected = []
    for picture in pictures_of(val):
        inside = picture.crop((3, 3, picture.width - 3, picture.height - 3))
        expected.append(np.asarray(torchvision.transforms.CenterCrop(16)(resize(inside))))
    np.testing.assert_array_equal(
        images_of(val, EvalRecipe(resize=20, crop=16, border=3)), expected
    )
    with pytest.raises(ValueError, match="border is 12; nothing is left of the smallest image"):
        images_of(val, EvalRecipe(resize=20, crop=16, border=12))


def views_of(picture, recipe):
    recipes = [dataclasses.replace(recipe, view=view) for view in range(10)]
    return np.stack([eval_image(picture, recipe) for recipe in recipes])


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_ten_crops_of_two_sizes_are_averaged(val, average):
    recipes = tuple(EvalRecipe(resize=crop + 4, crop=crop) for crop in (12, 16))
    weights = np.random.default_rng(0).normal(0, 0.05, (3 * 12, 1000)).astype(np.float32)

    def logits(images, recipe):
        return images[:, :12, 0].reshape(len(images), -1) @ weights

    protocol = Protocol(recipes=recipes, crops="ten", average=average)
    told = evaluate(Model("linear", logits), val, protocol=protocol, batch_size=7)
    views = [
        logits(views_of(np.asarray(picture), recipe), recipe).astype(np.float64)
        for recipe in recipes
        for picture in pictures_of(val)
    ]
    stacked = np.array(views).reshape(2, 23, 10, 1000)
    if average == "probabilities":
        stacked = np.exp(stacked) / np.exp(stacked).sum(axis=-1, keepdims=True)
    mean = stacked.mean(axis=(0, 2))
    np.testing.assert_array_equal(told.results.top[:, 0], mean.argmax(axis=1))
    softmax = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    expected = (softmax if average == "logits" else mean).max(axis=1)
    np.testing.assert_allclose(told.results.confidences / 2**32, expected, atol=2e-6)
    assert f"mean of {average} over 20 views" in text.text(told)


def test_the_row_has_timm_s_columns(v2):
    model = SORTED._replace(parameter_count=25_557_032)
    told = evaluate(model, v2, protocol=Protocol(recipes=(EvalRecipe(resize=9, crop=8),)))
    (row,) = csv.DictReader(io.StringIO(text.to_csv(told)))
    top5 = told.results.accuracy(5).percent
    assert row == {
        "model": "painted",
        "img_size": "8",
        "top1": "85.700",
        "top1_err": "14.300",
        "top5": f"{top5:.3f}",
        "top5_err": f"{100 - top5:.3f}",
        "param_count": "25.56",
        "crop_pct": "0.889",
        "interpolation": "bilinear",
    }


class _Elements(HTMLParser):
    def __init__(self, document):
        super().__init__()
        self.images, self.links, self.ids = [], [], []
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.images += [found["src"]] if tag == "img" else []
        self.links += [found["href"]] if tag == "a" else []
        self.ids += [found["id"]] if "id" in found else []


def test_the_page_shows_the_surest_mistakes_and_loads_nothing(v2):
    told = evaluate(SORTED, v2, protocol=TINY)
    document = page.page(told, v2)
    elements = _Elements(document)
    assert len(elements.images) == 60
    assert all(source.startswith("data:image/jpeg;base64,") for source in elements.images)
    assert elements.links
    assert {link.removeprefix("#") for link in elements.links} <= set(elements.ids)
    assert "60 of 143 wrong predictions, the surest first" in document
    assert "http" not in document.replace("http-equiv", "")
    assert page.page(told, v2) == document


@pytest.fixture(scope="session")
def torch():
    found = pytest.importorskip("torch", reason="models are torch's")
    found.set_num_threads(1)
    return found


@pytest.fixture(scope="session")
def weights(torch, tmp_path_factory):
    """resnet18 with weights of chance, and its checkpoint."""
    from imnet_data.train.models import build_model

    torch.manual_seed(0)
    module = build_model("resnet18", 1000).eval()
    path = tmp_path_factory.mktemp("weights") / "resnet18.pt"
    torch.save({"model": module.state_dict()}, path)
    return module, path


def test_a_checkpoint_gives_the_logits_of_its_model(torch, weights, val):
    module, path = weights
    model = load_model("resnet18", checkpoint=path)
    recipe = EvalRecipe(resize=36, crop=32)
    images = images_of(val, recipe)[:4]
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(row).view(1, 3, 1, 1) for row in (recipe.mean, recipe.std))
    with torch.no_grad():
        expected = module((tensors - mean) / std)
    torch.testing.assert_close(model.logits(images, recipe), expected)
    assert model.parameter_count == 11_689_512


@pytest.mark.gpu
def test_a_gpu_gives_the_logits_of_the_cpu(torch, weights, val):
    """Convolutions round what they multiply to 11 bits there (TF32): done on the CPU, that moves
    these logits by 0.001; pixels that are three levels brighter move them by 0.05."""
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    recipe = EvalRecipe(resize=36, crop=32)
    images = images_of(val, recipe)
    here, there = (
        load_model("resnet18", checkpoint=weights[1], device=device).logits(images, recipe).cpu()
        for device in ("cpu", "cuda")
    )
    torch.testing.assert_close(there, here, rtol=0, atol=0.01)


def test_a_checkpoint_may_say_its_classes(torch, tmp_path, val):
    from imnet_data.train.models import build_model

    module = build_model("resnet18", 3)
    content = {"ema": module.state_dict(), "classes": list(WNIDS[:3])}
    torch.save(content, tmp_path / "c.pt")
    model = load_model("resnet18", checkpoint=tmp_path / "c.pt")
    assert model.classes == WNIDS[:3]
    with pytest.raises(
        EvaluationError, match="the model distinguishes 3 classes, the dataset 1000"
    ):
        evaluate(model, val, protocol=Protocol(recipes=(EvalRecipe(resize=36, crop=32),)))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_torchscript_is_taken_from_its_file(torch, tmp_path, v2):
    pooled = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 1000)
    )
    torch.jit.trace(pooled, torch.zeros(1, 3, 8, 8)).save(tmp_path / "s.pt")
    model = load_model("anything", checkpoint=tmp_path / "s.pt")
    assert model.name == "anything"
    assert len(evaluate(model, v2, protocol=TINY).results.labels) == 1000


def test_weights_of_another_model_are_refused(weights):
    with pytest.raises(EvaluationError, match="does not have the weights of resnet50"):
        load_model("resnet50", checkpoint=weights[1])
    with pytest.raises(EvaluationError, match="resnet18 comes without weights; pass a checkpoint"):
        load_model("resnet18")


def test_recipes_are_those_that_weights_were_published_with(torchvision, timm):
    from imnet_data.evaluation import torch_models

    preset = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.transforms()
    assert torch_models.torchvision_recipe(preset) == EvalRecipe(resize=232, crop=224)
    module = timm.create_model("resnet50.tv2_in1k")
    expected = EvalRecipe.timm(input_size=224, crop_pct=0.965, interpolation="bilinear")
    assert torch_models.timm_recipe(module) == expected


def test_the_command_prints_writes_and_refuses(weights, imagenet_a, v2, tmp_path):
    run = CliRunner().invoke
    options = ["--model", "resnet18", "--checkpoint", str(weights[1]), "--size", "32"]
    files = ["--csv", str(tmp_path / "r.csv"), "--html", str(tmp_path / "r.html")]
    result = run(main, ["evaluate", str(imagenet_a), *options, *files])
    assert result.exit_code == 0, result.output
    assert " %: resnet18 on val of imagenet-a\n" in result.output
    assert "200 scored, of 1,000" in result.output
    assert (tmp_path / "r.csv").read_text().startswith("model,img_size,top1,top1_err,top5,top5_err")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    result = run(main, ["evaluate", str(imagenet_a), *options, "--json", "--crop", "ten"])
    (document,) = json.loads(result.output)
    assert document["record_count"] == document["top1"]["total"] == 200
    assert document["views"].endswith("mean of logits over 10 views")
    assert sum(bin_["count"] for bin_ in document["calibration_bins"]) == 200
    for arguments, code, message in (
        ([str(v2), str(v2), *options, *files], 2, "--csv and --html work with one DATASET only"),
        ([str(v2), "--model", "resnet17", *options[2:]], 2, "unknown model 'resnet17'"),
        ([str(v2), *options, "--device", "cuda:99"], 2, "device is 'cuda:99', and torch"),
        ([str(v2), *options, "--real", "built-in"], 1, "leave out --real"),
        ([str(v2), *options, "--split", "train"], 1, "no split 'train'; there are val"),
    ):
        result = run(main, ["evaluate", *arguments])
        assert result.exit_code == code
        assert message in result.output
