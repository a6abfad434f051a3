"""What `examine` says of an image is what every decoder does with it; pixels are Pillow's."""

import io
import random
from typing import Any, NamedTuple

import numpy as np
import pytest
from jpeg_images import by_pillow, encoded, photo, pillow_or_none
from numpy.typing import NDArray
from odd_jpegs import BASES, in_another_order, odd_jpegs, segments, structured, with_inserted
from PIL import Image

from imnet_data import jpeg
from imnet_data.dataset.manifest import VERDICTS
from imnet_data.errors import ImageError, UnsupportedJpeg
from imnet_data.images import fixups
from imnet_data.jpeg import Verdict
from imnet_data.loaders.cpu import CpuLoader
from imnet_data.loaders.schedule import Schedule
from imnet_data.record import Record
from imnet_data.transforms import EvalRecipe, eval_image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF

SOUND = (Verdict.PLAIN, Verdict.OTHER_DECODER, Verdict.NOT_A_JPEG)
LEAST = {  # of each verdict in the corpus
    Verdict.PLAIN: 250,
    Verdict.DAMAGED: 250,
    Verdict.OTHER_DECODER: 150,
    Verdict.UNDECODABLE: 150,
    Verdict.REFUSED: 50,
    Verdict.NOT_A_JPEG: 5,
}


class Case(NamedTuple):
    name: str
    image: bytes
    found: jpeg.Examination
    pixels: NDArray[np.uint8] | None  # Pillow's; None where it makes none


@pytest.fixture(scope="module")
def cases():
    return [
        Case(name, image, jpeg.examine(image), pillow_or_none(image)) for name, image in odd_jpegs()
    ]


def decodes(image, **options):
    try:
        jpeg.decode(image, **options)
    except ImageError:
        return False
    return True


def is_rewritten(image):
    for rewrite in (jpeg.seekable, jpeg.pack):
        try:
            rewrite(image)
        except ImageError:
            continue
        return True
    return False


def test_what_can_be_rewritten_has_its_verdict_without_its_data_being_read_again(cases):
    rewritten = [case for case in cases if is_rewritten(case.image)]
    assert len(rewritten) > LEAST[Verdict.PLAIN]
    assert {case.found.verdict for case in rewritten} > {Verdict.PLAIN}
    for case in rewritten:
        assert jpeg.examine(case.image, is_sound=True) == case.found, case.name


def test_the_corpus_has_many_of_each_verdict(cases):
    for verdict, least in LEAST.items():
        assert sum(case.found.verdict is verdict for case in cases) >= least, verdict


def test_what_pillow_decodes_is_decodable_and_nothing_else(cases):
    for case in cases:
        assert case.found.verdict.decodable == (case.pixels is not None), case.name


def test_decodable_images_have_the_pixels_and_the_size_of_pillow(cases):
    for case in cases:
        if case.pixels is None:
            continue
        pixels = jpeg.decode(case.image, other="pillow", damaged="pillow")
        assert np.array_equal(pixels, case.pixels), case.name
        assert (case.found.height, case.found.width) == case.pixels.shape[:2], case.name


def test_the_native_decoder_takes_what_is_plain_and_nothing_else(cases, variant):
    for case in cases:
        plain = case.found.verdict is Verdict.PLAIN
        assert decodes(case.image) == plain, case.name
        if plain:
            assert np.array_equal(jpeg.decode(case.image), case.pixels), case.name


def test_damage_is_an_error_unless_pillow_may_fill_it(cases):
    for case in cases:
        verdict = case.found.verdict
        assert decodes(case.image, other="pillow") == (verdict in SOUND), case.name
        assert decodes(case.image, other="pillow", damaged="pillow") == verdict.decodable


def test_the_reason_is_empty_for_plain_images_alone(cases):
    for case in cases:
        assert (case.found.reason == "") == (case.found.verdict is Verdict.PLAIN), case.name


def test_examining_is_the_same_in_each_variant(cases, variant):
    for case in cases:
        assert jpeg.examine(case.image) == case.found, case.name


def test_fix_makes_a_plain_jpeg_of_all_that_can_be_read(cases):
    for case in cases:
        record = Record("n01440764_1", "n01440764", case.image)
        try:
            outcome = fixups.apply(record, "fix")
        except ImageError as error:
            deep = "which do not fit into RGB" in str(error)
            assert deep or case.found.verdict is Verdict.UNDECODABLE, case.name
            continue
        assert case.found.verdict is not Verdict.UNDECODABLE, case.name
        assert outcome.record is not None
        after = jpeg.examine(outcome.record.jpeg)
        assert after.verdict == (outcome.verdict or Verdict.PLAIN), case.name
        if outcome.fix:
            assert after.verdict is Verdict.PLAIN, case.name
        else:
            assert outcome.record is record
            assert after.kind in ("", "progressive"), case.name


class Reading:
    """The decodable cases as the records of a loader."""

    def __init__(self, cases, marks):
        self.images = [case.image for case in cases]
        self.key = np.array([f"record_{number}" for number in range(len(cases))], "S20")
        self.label = np.zeros(len(cases), np.int64)
        self.width = np.array([case.found.width for case in cases])
        self.height = np.array([case.found.height for case in cases])
        self.pixels = np.zeros(len(cases), bool)
        if marks is not None:
            self.verdict = np.where(marks, VERDICTS.index("damaged"), 0)

    def read(self, index):
        return self.images[index]


def test_the_loader_gives_pillows_pixels_of_all_that_is_decodable_and_counts(cases):
    decodable = [case for case in cases if case.pixels is not None]
    marks = [case.found.verdict is Verdict.DAMAGED for case in decodable]
    recipe = EvalRecipe(resize=20, crop=16)
    schedule = Schedule(count=len(decodable), batch_size=64, order="sequential", last="ragged")
    with CpuLoader(Reading(decodable, marks), recipe, schedule) as loader:
        images = np.concatenate([batch.images for batch in loader.epoch(0)])
        assert loader.damaged == sum(marks)
        others = sum(case.found.verdict in SOUND[1:] for case in decodable)
        assert others <= loader.decoded_by_pillow <= others + sum(marks)
    for case, image in zip(decodable, images, strict=True):
        assert np.array_equal(image, eval_image(case.pixels, recipe)), case.name


def test_damage_that_is_not_marked_is_an_error_with_the_commands_that_help(cases):
    damaged = [case for case in cases if case.found.verdict is Verdict.DAMAGED]
    recipe = EvalRecipe(resize=20, crop=20)
    schedule = Schedule(count=len(damaged), batch_size=64, order="sequential", last="ragged")
    source = Reading(damaged, None)
    with CpuLoader(source, recipe, schedule, on_error="skip") as loader:
        with pytest.warns(RuntimeWarning, match="records were skipped"):
            list(loader.epoch(0))
        assert len(loader.skipped) > len(damaged) // 2  # a crop need not see what lies below it
        for text in loader.skipped.values():
            assert "run `imnet-data verify DATASET --decode`, which shows" in text
            assert "`--repair SOURCE` restores them" in text
    with (
        CpuLoader(source, recipe, schedule) as loader,
        pytest.raises(ImageError, match=r"record_\d+ \(record \d+\): .*run `imnet-data verify"),
    ):
        list(loader.epoch(0))


PLAIN = BASES["420"]
SCAN = segments(PLAIN)[-1]
KINDS = [
    (PLAIN, Verdict.PLAIN, "", ""),
    (BASES["progressive"], Verdict.OTHER_DECODER, "progressive", "progressive"),
    (BASES["cmyk"], Verdict.OTHER_DECODER, "CMYK", "CMYK"),
    (PLAIN[: SCAN + 40] + b"\xff\xd9", Verdict.DAMAGED, "", "image data ends early at byte"),
    (PLAIN[:-2], Verdict.DAMAGED, "", "there is no end-of-image marker at byte"),
    (BASES["progressive"][:-300], Verdict.DAMAGED, "progressive", "progressive; it cannot be"),
    (
        BASES["cmyk"][:-200] + b"\xff\xd9",
        Verdict.DAMAGED,
        "CMYK",
        "CMYK; image data ends early at byte",
    ),
    (
        with_inserted(PLAIN, 20, b"\0\0"),
        Verdict.OTHER_DECODER,
        "structure",
        "bytes between segments at byte 20",
    ),
    (
        in_another_order(PLAIN, segments(PLAIN)[-2]),
        Verdict.REFUSED,
        "structure",
        "a scan names its components in another order at byte",
    ),
    (b"\x1f\x8b\x08", Verdict.UNDECODABLE, "gzip", "it is a gzip, not a JPEG"),
    (b"", Verdict.UNDECODABLE, "", "it is empty"),
    (b"text", Verdict.UNDECODABLE, "", "it is not an image of a known kind"),
]


@pytest.mark.parametrize(("image", "verdict", "kind", "reason"), KINDS)
def test_verdict_kind_and_reason_of_a_file(image, verdict, kind, reason):
    found = jpeg.examine(image)
    assert (found.verdict, found.kind) == (verdict, kind)
    assert found.reason.startswith(reason)
    assert jpeg.examine(memoryview(image)) == found


def test_a_png_under_another_name_is_named_by_its_first_bytes():
    file = io.BytesIO()
    photo(30, 20).save(file, "PNG")
    found = jpeg.examine(file.getvalue())
    assert found == (Verdict.NOT_A_JPEG, "png", 30, 20, 0, "it is a png, not a JPEG")
    with pytest.raises(UnsupportedJpeg, match="not a JPEG: it does not start with FF D8"):
        jpeg.decode(file.getvalue())


def test_an_image_that_claims_too_many_pixels_is_refused_by_one_limit():
    named = dict(structured(BASES["progressive"], random.Random(0)))
    bomb = named["size 65535 x 65535"]
    found = jpeg.examine(bomb)
    assert found.verdict is Verdict.UNDECODABLE
    assert found.reason == "more than 178,956,970 pixels"
    each: list[dict[str, Any]] = [{}, {"other": "pillow"}, {"other": "pillow", "damaged": "pillow"}]
    for options in each:
        with pytest.raises(ImageError, match="more pixels than allowed"):
            jpeg.decode(bomb, **options)


@pytest.mark.parametrize("quant", [200, 3000, 32767, 65535])
def test_coefficients_out_of_range_wrap_as_those_of_pillow(quant, variant):
    for base in ("420", "444", "grey", "restarts"):
        data = BASES[base]
        table = b"".join((quant - i).to_bytes(2) for i in range(64))
        tables = b"".join(bytes([0x10 + i]) + table for i in range(2))
        segment = b"\xff\xdb" + (len(tables) + 2).to_bytes(2) + tables
        changed = with_inserted(data, segments(data)[-2], segment)
        assert np.array_equal(jpeg.decode(changed), by_pillow(changed))


def test_only_the_rows_below_the_first_decide_how_a_block_wraps(variant):
    """A flat block whose mean is out of range: libjpeg-turbo wraps it, and does not saturate."""
    for size in (8, 16):
        flat = encoded(Image.new("L", (size, size), 255), quality=100)
        table = b"\xff\xdb\0\x83\x10" + (9000).to_bytes(2) + (1).to_bytes(2) * 63
        changed = with_inserted(flat, segments(flat)[-2], table)
        assert np.array_equal(jpeg.decode(changed), by_pillow(changed))


@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 7}, {"optimize": True}])
def test_flipped_bits_of_a_larger_image_are_seen_as_the_decoder_sees_them(options, variant):
    data = encoded(photo(400, 300, seed=8), quality=92, **options)
    assert jpeg.examine(data).verdict is Verdict.PLAIN
    rng, damaged = random.Random(5), 0
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(3):
            changed[rng.randrange(segments(data)[-1], len(data))] ^= 1 << rng.randrange(8)
        plain = jpeg.examine(bytes(changed)).verdict is Verdict.PLAIN
        assert decodes(bytes(changed)) == plain
        damaged += not plain
    assert 10 < damaged < 60
