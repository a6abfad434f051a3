from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

# pixels
def resize(
    image: NDArray[np.uint8],
    out: NDArray[np.uint8],
    size: tuple[int, int],
    box: tuple[float, float, float, float],
    window: tuple[int, int, int, int],
    bicubic: bool,
    flip: bool,
) -> None: ...

class Normalization:
    by_products: bool
    def __init__(
        self,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        dtype: str,
        planar: bool,
    ) -> None: ...
    def normalize(self, images: NDArray[np.uint8], out: NDArray[np.uint8]) -> None: ...

def simd() -> str: ...
def simd_variants() -> list[str]: ...
def set_simd(name: str) -> None: ...

# jpeg
MAX_PIXELS: int

def jpeg_header(jpeg: bytes | memoryview) -> dict[str, Any]: ...
def jpeg_decode(
    jpeg: bytes | memoryview,
    box: tuple[int, int, int, int] | None,
    max_pixels: int,
    irregular: bool,
) -> NDArray[np.uint8]: ...
def jpeg_is_regular(jpeg: bytes | memoryview) -> bool: ...
def jpeg_examine(
    jpeg: bytes | memoryview, max_pixels: int, is_sound: bool = False
) -> dict[str, Any]: ...
def jpeg_seekable(jpeg: bytes | memoryview, target_width: int, joined: bool) -> bytes: ...
def jpeg_pack(jpeg: bytes | memoryview, target_width: int) -> bytes: ...
def jpeg_unpack(packed: bytes | memoryview) -> bytes: ...
def jpeg_restore(jpeg: bytes | memoryview, is_hashed: bool = False) -> bytes: ...
def jpeg_crop(
    jpeg: bytes | memoryview, box: tuple[int, int, int, int]
) -> tuple[bytes, tuple[int, int, int, int]]: ...

# reading ahead
READ_AHEAD_THREAD: str

class ReadAheadStream:
    def take(self, number: int) -> bytes | None: ...

class ReadAhead:
    def __init__(self, most_nbytes: int, threads: int) -> None: ...
    def open(self, in_window: bool) -> ReadAheadStream: ...
    def add(
        self,
        stream: ReadAheadStream,
        files: NDArray[np.int32],
        offsets: NDArray[np.int64],
        nbytes: NDArray[np.int64],
        paths: list[bytes],
        direct: NDArray[np.bool_],
        whole: bool,
    ) -> int: ...
    @property
    def ahead_nbytes(self) -> int: ...
    def end(self, stream: ReadAheadStream) -> None: ...
    def close(self) -> None: ...

# loader
class BatchLoader:
    def __init__(self, threads: int) -> None: ...
    def submit_files(
        self,
        out: list[NDArray[np.uint8]],
        geometry: NDArray[np.int32],
        bicubic: bool,
        normalization: Normalization | None,
        files: NDArray[np.int32],
        offsets: NDArray[np.int64],
        nbytes: NDArray[np.int64],
        held: object,
        paths: list[bytes],
        whole: bool,
        ahead: ReadAheadStream | None,
        first: int,
    ) -> int: ...
    def submit_buffers(
        self,
        out: list[NDArray[np.uint8]],
        geometry: NDArray[np.int32],
        bicubic: bool,
        normalization: Normalization | None,
        buffers: list[bytes | memoryview],
    ) -> int: ...
    def wait(self, ticket: int) -> list[tuple[int, str, str]]: ...
    def cancel(self, ticket: int) -> None: ...
    def close(self) -> None: ...

# mapped files
def guard_mapping(mapped: mmap, text: bytes) -> int: ...
def unguard_mapping(number: int) -> None: ...

# hashes
def crc32c(message: bytes | memoryview) -> int: ...
def has_sha256_instructions() -> bool: ...
def sha256_beside(
    contents: list[bytes | memoryview], stream: Sha256, pieces: list[bytes] | list[memoryview]
) -> list[bytes]: ...
def record_sha256(
    images: list[tuple[bytes | memoryview, int]],
    pieces: list[memoryview],
    stream: Sha256 | None,
    for_decoding: bool,
) -> list[tuple[bytes, bytes, str, bytes]]: ...

class Sha256:
    def __init__(self) -> None: ...
    def digest(self) -> bytes: ...
