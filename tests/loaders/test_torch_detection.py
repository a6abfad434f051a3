"""ImageNetDetection in torchvision's detection loop, and its targets."""

import json
import pickle

import numpy as np
import pytest
from detection_kit import converted, made, scene

from imnet_data.dataset.opened import Dataset
from imnet_data.errors import SourceError
from imnet_data.synth import synth

torch = pytest.importorskip("torch", reason="pip install torch")

from torch.utils.data import DataLoader  # noqa: E402

from imnet_data.loaders.torch_detection import ImageNetDetection  # noqa: E402


@pytest.fixture(scope="module")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("datasets")
    for task in ("det", "vid"):
        converted(made(folder, task), folder / task)
    return folder


def to_tensor(image, target):
    pixels = torch.tensor(np.asarray(image))
    return pixels.permute(2, 0, 1) / 255, target


def collate(batch):
    """As references/detection/utils.py has it."""
    return tuple(zip(*batch, strict=True))


@pytest.mark.parametrize("task", ["det", "vid"])
def test_targets_are_those_of_the_coco_file(datasets, task):
    dataset = ImageNetDetection(datasets / task, "val")
    told = json.loads((datasets / task / "val/annotations.coco.json").read_bytes())
    assert len(dataset) == len(told["images"])
    names = {each["id"]: each["name"] for each in told["categories"]}
    assert dict(enumerate(dataset.class_names)) == {0: "background"} | names
    for index, image in enumerate(told["images"]):
        picture, target = dataset[index]
        found = [each for each in told["annotations"] if each["image_id"] == target["image_id"]]
        assert (picture.width, picture.height) == (image["width"], image["height"])
        assert target["labels"].tolist() == [each["category_id"] for each in found]
        assert target["area"].tolist() == [each["area"] for each in found]
        corners = [(x, y, x + w, y + h) for x, y, w, h in (each["bbox"] for each in found)]
        assert target["boxes"].tolist() == [list(map(float, each)) for each in corners]
        assert target["boxes"].shape == (len(found), 4)


def tiny_model():
    """A detector of one convolution with random weights."""
    from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
    from torchvision.models.detection.ssd import SSD

    body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=16, padding=1), torch.nn.ReLU())
    boxes = DefaultBoxGenerator([[2]], scales=[0.3, 0.6])
    return SSD(body, boxes, (64, 64), num_classes=201)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_detector_is_trained_for_two_steps_as_the_references_do(torchvision, datasets, workers):
    """The loop of references/detection/engine.py, train_one_epoch."""
    del torchvision
    torch.manual_seed(0)
    dataset = ImageNetDetection(datasets / "det", "val", transforms=to_tensor)
    loader = DataLoader(
        dataset, batch_size=3, shuffle=True, num_workers=workers, collate_fn=collate
    )
    model = tiny_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model.train()
    steps = 0
    for images, targets in loader:
        moved = [
            {
                name: value.to("cpu") if isinstance(value, torch.Tensor) else value
                for name, value in target.items()
            }
            for target in targets
        ]
        losses = model(list(images), moved)
        loss = sum(losses.values())
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps += 1
    assert steps == 2
    assert any(
        not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)
    )


def test_a_box_without_width_is_left_out_of_the_target_alone(datasets, tmp_path):
    root = made(tmp_path, "det") / "ILSVRC"
    path = root / "Annotations/DET/val/ILSVRC2012_val_00000005.xml"
    text = path.read_text()
    left = text.partition("<xmin>")[2].partition("<")[0]
    right = text.partition("<xmax>")[2].partition("<")[0]
    path.write_text(text.replace(f"<xmax>{right}<", f"<xmax>{left}<", 1))
    converted(root, tmp_path / "out", split="val")
    with Dataset.open(tmp_path / "out", "val") as records:
        at = records.find("ILSVRC2012_val_00000005")
        assert len(scene(records[at]).objects) == 1
    _, target = ImageNetDetection(tmp_path / "out", "val")[at]
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].tolist() == []


def test_it_can_be_pickled_and_read_from_its_end(datasets):
    dataset = pickle.loads(pickle.dumps(ImageNetDetection(datasets / "vid", "val")))
    last = dataset[-1][1]
    assert last["image_id"] == len(dataset) == 22
    with pytest.raises(IndexError):
        dataset[22]


def test_a_dataset_of_classes_is_refused(tmp_path):
    synth(
        tmp_path / "tars",
        class_count=2,
        images_per_class=1,
        val_per_class=1,
        test_count=1,
        mean_nbytes=2000,
    )
    converted(tmp_path / "tars", tmp_path / "out", split="val")
    with pytest.raises(SourceError, match="use `ImageNet` for it"):
        ImageNetDetection(tmp_path / "out", "val")
