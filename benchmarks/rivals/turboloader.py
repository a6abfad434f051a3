"""TurboLoader's DataLoader on a tar file: its fused crop, resize, flip and normalising."""

import tarfile

from rivals import BATCH_SIZE, SIZE

label = "TurboLoader 2.39.0"
environment = "turboloader"
install = "pip install numpy==2.4.6 turboloader==2.39.0"
reads = "turboloader"
setting = "a worker a core; train_aug, antialias; float32, normalised"


def prepare(folder, out):
    out.mkdir(parents=True)
    with tarfile.open(out / "train.tar", "w") as tar:
        for label, wnid in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
            for path in sorted(wnid.iterdir()):
                tar.add(path, f"{label:04}/{path.name}")


def batches(root, cores):
    import numpy as np
    import turboloader

    tar_path = root / "train.tar"
    with tarfile.open(tar_path) as tar:  # its batches have numbers of records, not labels
        labels = np.array([int(member.name.partition("/")[0]) for member in tar])
    loader = turboloader.DataLoader(
        str(tar_path),
        batch_size=BATCH_SIZE,
        num_workers=cores,
        shuffle=True,
        image_size=SIZE,
        output_format="numpy_chw",
        transform=turboloader.ImageNetNormalize(),
        train_aug=True,
        antialias=True,
    )

    def epoch(number):
        loader.set_epoch(number)
        for images, about in loader:
            yield images, labels[np.asarray(about["indices"])]

    return epoch
