import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from jpeg_images import encoded, photo

from imnet_data import jpeg
from imnet_data.machine.open_file import OpenFile
from imnet_data.native import _native
from imnet_data.verification.hashing import Hashed, RecordHashes


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.fixture(params=["sha", "hashlib"], autouse=True)
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "hashlib":
        monkeypatch.setattr(_native, "has_sha256_instructions", lambda: False)
    elif not _native.has_sha256_instructions():
        pytest.skip("no SHA instructions here")
    name: str = request.param
    return name


@pytest.mark.parametrize("chunk", [1, 63, 64, 65, 1000, 40_000])
def test_the_hash_of_a_growing_file_is_that_of_hashlib(tmp_path: Path, chunk: int) -> None:
    rng = random.Random(chunk)
    path = tmp_path / "file"
    with path.open("wb", buffering=0) as file, RecordHashes(OpenFile(path)) as hashes:
        for row in range(20):
            file.write(rng.randbytes(rng.randrange(2 * chunk)))
            content = rng.randbytes(rng.randrange(2 * chunk))
            hashes.add(row, content, "")
            assert hashes.hashed() == [Hashed(row, content, sha256(content), b"", "", b"")]
        file.write(rng.randbytes(3 << 20))  # far more than is hashed beside a record
        assert hashes.hexdigest() == sha256(path.read_bytes()).hex()


@pytest.mark.parametrize("seed", range(20))
def test_pieces_that_were_read_anyway_make_no_other_hash(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    path = tmp_path / "file"
    whole = rng.randbytes(12_000_000)
    path.write_bytes(whole)
    with RecordHashes(OpenFile(path)) as hashes:
        end, added = 0, list[bytes]()
        while end < len(whole) * rng.random():
            if rng.random() < 0.5:
                begin = max(0, end + rng.choice([0, 0, 0, -1, 1, -5000, 5000]))
                end = begin + rng.randrange(600_000)
                hashes.offer(begin, memoryview(whole)[begin:end])
            added.append(rng.randbytes(rng.randrange(60_000)))
            hashes.add(len(added), added[-1], "")
            if rng.random() < 0.2:
                found = hashes.hashed()
                assert [each.stored for each in found] == [sha256(image) for image in added]
                assert all(each.image is image for each, image in zip(found, added, strict=True))
                added.clear()
        assert hashes.hexdigest() == sha256(whole).hex()


@pytest.mark.parametrize("for_decoding", [False, True])
def test_originals_are_restored_and_hashed_in_the_order_of_the_records(
    for_decoding: bool,
) -> None:
    originals = [encoded(photo(width, 40, seed=width)) for width in range(8, 200, 16)]
    forms: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        "seekable": jpeg.seekable,
        "packed": jpeg.pack,
        "pixels": bytes,
    }
    wanted = []
    with RecordHashes(None, for_decoding=for_decoding) as hashes:
        for row, original in enumerate(originals):
            stored = [*forms][row % len(forms)]
            image = forms[stored](original)
            hashes.add(row, memoryview(image), stored)
            restored = original if stored in ("seekable", "packed") else b""
            kept = restored if for_decoding else b""
            of_restored = sha256(restored) if restored else b""
            wanted.append(Hashed(row, image, sha256(image), of_restored, "", kept))
        assert hashes.hashed() == wanted
        assert hashes.hashed() == []


def test_what_cannot_be_restored_says_why_and_those_beside_it_are_restored() -> None:
    original = encoded(photo(90, 40))
    with RecordHashes(None, for_decoding=True) as hashes:
        for row, (image, stored) in enumerate(
            [
                (original, "seekable"),
                (jpeg.seekable(original), "seekable"),
                (jpeg.pack(original)[:-9], "packed"),
                (jpeg.pack(original), "packed"),
                (b"", "packed"),
            ]
        ):
            hashes.add(row, image, stored)
        found = hashes.hashed()
    assert [each.jpeg for each in found] == [b"", original, b"", original, b""]
    assert [bool(each.original) for each in found] == [False, True, False, True, False]
    assert found[0].fault == "left as it is: it was not made seekable here, or is damaged"
    assert "damaged" in found[2].fault
    assert found[4].fault


def test_what_decoders_read_is_what_is_restored_for_decoding() -> None:
    original = encoded(photo(300, 60), quality=50)
    made = jpeg.seekable(original, target_width=32)
    wanted, unlike = sha256(original), list[bytes]()
    for bit in range(8 * (len(made) - 400), 8 * len(made)):
        changed = bytearray(made)
        changed[bit >> 3] ^= 128 >> (bit & 7)
        with RecordHashes(None) as joined, RecordHashes(None, for_decoding=True) as walked:
            joined.add(0, bytes(changed), "seekable")
            walked.add(0, bytes(changed), "seekable")
            (by_joints,), (by_walking,) = joined.hashed(), walked.hashed()
        if by_walking.original == wanted:
            assert by_joints.original == wanted
            assert np.array_equal(jpeg.decode(bytes(changed)), jpeg.decode(original))
        elif by_joints.original == wanted:
            unlike.append(bytes(changed))
    assert unlike  # a first difference of an interval is not the one that the joints have
    assert any(not np.array_equal(jpeg.decode(each), jpeg.decode(original)) for each in unlike)
