"""What the machine has, and the datasets that the other sections read."""

import json
import os
import platform
import subprocess
import sys
from importlib import metadata

from gpu_kit.checks import require
from imnet_data.conversion.convert import convert
from imnet_data.synth import synth, synth_from_folder

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "nvidia-dali-cuda130")
COPIES = 16  # of each photograph, for speeds


def run(check, place):
    """Run the assertions of this section."""
    with check("python and libraries") as facts:
        facts["python"], facts["cores"] = platform.python_version(), len(os.sched_getaffinity(0))
        for name in LIBRARIES:
            facts[name] = version(name)
        require(facts["torch"], "torch is not installed")
    with check("the GPU") as facts:
        gpu(place, facts)
    with check("imnet-data doctor") as facts:
        command = [sys.executable, "-m", "imnet_data", "doctor", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(done.stdout)
        facts["gpu"], facts["problems"] = report["gpu"], report["problems"]
        require(not report["problems"], "doctor reports problems")
    with check("datasets are converted") as facts:
        facts["photographs"] = str(place.photographs) if place.photographs else None
        make(place)


def version(name):
    """Return the version of a distribution; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def gpu(place, facts):
    """Fill in what is known of the GPU."""
    import torch

    facts["cuda"] = torch.version.cuda
    if place.is_rehearsal:
        return
    facts["name"] = torch.cuda.get_device_name(0)
    facts["capability"] = torch.cuda.get_device_capability(0)
    facts["free"], facts["total"] = torch.cuda.mem_get_info(0)
    facts["cudnn"], facts["nccl"] = torch.backends.cudnn.version(), torch.cuda.nccl.version()


def make(place):
    """Convert the images to the two datasets."""
    for root, copies in ((place.dataset, 1), (place.large, place.of(COPIES, 2))):
        tarballs = place.folder / f"{root.name}-tarballs"
        if place.photographs:
            count = len({path.name[:9] for path in place.photographs.iterdir()})
            synth_from_folder(
                tarballs,
                place.photographs,
                class_count=count,
                images_per_class=copies,
                val_per_class=1,
                test_count=1,
            )
        else:
            synth(
                tarballs,
                class_count=5,
                images_per_class=place.of(50, 12) * copies,
                val_per_class=6,
                test_count=1,
                mean_nbytes=place.of(110_000, 6_000),
            )
        convert([tarballs], root, format="webdataset")
