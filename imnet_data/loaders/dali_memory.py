"""What DALI allocates ahead to decode on a GPU.

nvJPEG's buffers, of which each thread has its own, grow whenever an image is larger than all before
it, and a GPU stands still then: so they are made for the largest of all images at once, or for the
largest size at which those of all threads have no more than 1 GB.

Source: NVIDIA/DALI, docs/examples/use_cases/pytorch/resnet50/main.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST_OF_IMAGENET = (5980, 6430)  # width and height of its largest image, pixels
# what NVIDIA's ResNet-50 example asks for is 5.49 and 3.66 times as many bytes
_DEVICE_NBYTES_PER_PIXEL, _HOST_NBYTES_PER_PIXEL = 5.5, 3.7
_HOST_BUFFERS_PER_THREAD = 2
_MOST_NBYTES = 1_000_000_000  # on device and host, of all threads
_MOST_THREADS = 8  # on a GPU, as each has buffers of its own


class Plan(NamedTuple):
    """Buffers of a process, made for the image with the largest area."""

    threads: int
    width: int  # of that image, pixels
    height: int
    device_nbytes: int  # of each thread, on the GPU
    host_nbytes: int  # of each of a thread's two, pinned

    def __str__(self) -> str:
        device = self.threads * self.device_nbytes / 1e6
        host = self.threads * _HOST_BUFFERS_PER_THREAD * self.host_nbytes / 1e6
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return (
            f"{device:,.0f} MB on the GPU and {host:,.0f} MB pinned, of {threads}, "
            f"for images up to {self.width:,} x {self.height:,} pixels"
        )


def decoding_threads(threads: int, *, device_id: int | None) -> int:
    """Return how many of `threads` decode: on a GPU at most eight, for the memory of each."""
    return threads if device_id is None else min(threads, _MOST_THREADS)


def planned(widths: NDArray[np.integer], heights: NDArray[np.integer], *, threads: int) -> Plan:
    """Return what is allocated ahead for images of these sizes, with so many decoding threads."""
    areas = widths.astype(int) * heights.astype(int)
    largest = int(areas.argmax())
    nbytes_per_pixel = _DEVICE_NBYTES_PER_PIXEL + _HOST_BUFFERS_PER_THREAD * _HOST_NBYTES_PER_PIXEL
    pixels = min(int(areas[largest]), _MOST_NBYTES / (threads * nbytes_per_pixel))
    return Plan(
        threads=threads,
        width=int(widths[largest]),
        height=int(heights[largest]),
        device_nbytes=int(_DEVICE_NBYTES_PER_PIXEL * pixels),
        host_nbytes=int(_HOST_NBYTES_PER_PIXEL * pixels),
    )
