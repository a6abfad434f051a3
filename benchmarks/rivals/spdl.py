"""SPDL: FFmpeg decodes, crops and scales in threads; the boxes are torchvision's."""

import random

from rivals import BATCH_SIZE, SIZE
from rivals.torchvision import TORCH, import_torchvision

label = "SPDL 0.8.0, FFmpeg"
environment = "torch"
install = f"{TORCH} && pip install spdl-io==0.8.0 spdl-core==0.8.0"
needs = "libavfilter8 libavdevice59 (FFmpeg 5.1)"
reads = "folder"
setting = "a thread a core, a task a batch; swscale's bilinear"


def batches(root, cores):
    torchvision = import_torchvision()
    import spdl.io
    import torch
    from spdl.pipeline import PipelineBuilder

    files = torchvision.datasets.ImageFolder(str(root / "train")).samples
    get_box = torchvision.transforms.RandomResizedCrop.get_params
    one = torch.empty(1, 1, 1)
    scale, ratio = (0.08, 1.0), (3 / 4, 4 / 3)

    # exact, as a part of a pixel of the colours would be cut off otherwise, and nothing may be left
    def decode(item):
        path, label = item
        packets = spdl.io.demux_image(path)
        image = one.expand(3, packets.height, packets.width)
        top, left, height, width = get_box(image, scale, ratio)
        steps = f"crop={width}:{height}:{left}:{top}:exact=1,scale={SIZE}:{SIZE}:flags=bilinear"
        steps += ",hflip,format=rgb24" if random.random() < 0.5 else ",format=rgb24"
        return spdl.io.decode_packets(packets, filter_desc=steps), label

    def batch(items):
        frames, labels = zip(*map(decode, items), strict=True)
        return spdl.io.to_torch(spdl.io.convert_frames(list(frames))), torch.tensor(labels)

    def epoch(number):
        del number
        pipeline = (
            PipelineBuilder()
            .add_source(random.sample(files, len(files)))
            .aggregate(BATCH_SIZE)
            .pipe(batch, concurrency=cores)
            .add_sink(2)
            .build(num_threads=cores, max_failures=0)  # by default batches are left out
        )
        with pipeline.auto_stop():
            yield from pipeline

    return epoch
