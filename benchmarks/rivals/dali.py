"""DALI: its file reader, image_random_crop and resize, all on the CPU."""

from rivals import BATCH_SIZE, SIZE

label = "DALI 2.4.0 on the CPU"
environment = "torch"
install = "pip install numpy==2.4.6 nvidia-dali-cuda130==2.4.0"
reads = "folder"
setting = "a thread a core; image_random_crop, resize with antialiasing"


def pipeline(root, cores, device):
    """Return the pipeline of DALI's ImageNet example, up to uint8; device is "cpu" or "gpu"."""
    from nvidia.dali import Pipeline, fn

    pipe = Pipeline(BATCH_SIZE, cores, device_id=None if device == "cpu" else 0, seed=0)
    with pipe:
        jpegs, labels = fn.readers.file(
            file_root=str(root / "train"), random_shuffle=True, name="reader"
        )
        images = fn.decoders.image_random_crop(jpegs, device="cpu" if device == "cpu" else "mixed")
        images = fn.resize(images, size=(SIZE, SIZE))
        images = fn.flip(images, horizontal=fn.random.coin_flip())
        pipe.set_outputs(images, labels)
    pipe.build()
    return pipe


def batches(root, cores, device="cpu"):
    pipe = pipeline(root, cores, device)
    steps = pipe.reader_meta("reader")["epoch_size"] // BATCH_SIZE

    def epoch(number):
        del number
        for _ in range(steps):
            images, labels = pipe.run()
            yield images.as_array() if device == "cpu" else images, labels.as_array()

    return epoch
