"""Images per second of loaders, of a ResNet-50 step, and of both together, with the cores used."""

import os

import imnet_data as imnet
from gpu_kit.checks import need_gpu, require
from imnet_data.bench import device
from imnet_data.bench.loading import Loading
from imnet_data.bench.measurement import repeat
from imnet_data.bench.options import BenchOptions
from imnet_data.bench.sample import work_of


def run(check, place):
    """Run the assertions of this section: loaders that need no DALI, and the step by itself."""
    measured(check, place, loaders=("cpu", "torch"), inputs=("torch",), alone=True)


def measured(check, place, *, loaders, inputs, alone):
    """Measure loaders, steps on what loaders give, and where `alone` what needs no loader."""
    options = BenchOptions(
        batch_size=place.of(256, 8),
        size=place.of(224, 32),
        model="resnet10" if place.is_rehearsal else "resnet50",
        precision="bf16",
    )
    seconds = place.of(300, 5) / 100
    with imnet.Dataset.open(place.large, "train") as dataset:
        work = work_of(dataset, batch_size=options.batch_size, size=options.size)

        def loading(kind, *, channels_last=False):
            return Loading(
                dataset,
                work,
                kind=kind,
                threads=len(os.sched_getaffinity(0)),
                seconds=seconds,
                device=place.device,
                channels_last=channels_last,
            )

        for kind in loaders:
            with check(f"batches by the loader {kind!r}") as facts:
                facts |= speed(loading(kind), seconds)
        if alone:
            with check("the copy to the GPU, and normalising") as facts:
                need_gpu(place)
                facts |= speed(device.Copying(work), seconds)
        classes = len(dataset.classes)
        model = device.Model(options, class_count=classes)
        if alone:
            with check(f"a step of {options.model}, without input") as facts:
                facts |= speed(device.ModelStep(model, work, class_count=classes), seconds)
        for kind in inputs:
            with check(f"a step of {options.model} on batches by {kind!r}") as facts:
                stage = device.TrainingStep(model, loading(kind, channels_last=True))
                facts |= speed(stage, seconds)


def speed(stage, seconds):
    """Time a stage three times, check its result, and return the middle."""
    repeats = sorted(
        (repeat(stage, seconds=seconds) for _ in range(3)), key=lambda one: one.images / one.seconds
    )
    checked = stage.check()
    require(checked > 0, "no image was compared")
    middle = repeats[1]
    return {
        "images_per_second": round(middle.images / middle.seconds, 1),
        "cores_used": round(middle.cpu_seconds / middle.seconds, 2),
        "all": [round(one.images / one.seconds, 1) for one in repeats],
        "checked": checked,
    }
