import pytest
from jpeg_images import encoded, photo

from imnet_data import jpeg
from imnet_data.errors import ImageError


def test_header_tells_size_sampling_coding_and_markers():
    data = encoded(photo(50, 30), subsampling=2, restart_marker_blocks=3)
    found = jpeg.header(data)
    assert found[:7] == (50, 30, 3, ((2, 2), (1, 1), (1, 1)), 0xC0, 8, 3)
    assert found.jfif
    assert found.adobe_transform == -1
    assert found.unsupported == ""
    assert data[found.scan_offset - 3 : found.scan_offset] == b"\x00\x3f\x00"


@pytest.mark.parametrize(
    ("mode", "options", "reason"),
    [
        ("RGB", {"progressive": True}, "progressive"),
        ("CMYK", {}, "CMYK"),
    ],
)
def test_header_reads_what_the_decoder_does_not_take(mode, options, reason):
    found = jpeg.header(encoded(photo(20, 10, mode=mode), **options))
    assert (found.width, found.height, found.unsupported) == (20, 10, reason)


def test_a_header_cut_anywhere_is_an_error_that_says_where():
    data = encoded(photo(20, 10))
    scan = jpeg.header(data).scan_offset
    for nbytes in range(scan):
        with pytest.raises(ImageError, match=r"the JPEG is damaged at byte \d+: "):
            jpeg.header(data[:nbytes])
    assert jpeg.header(data[:scan]).scan_offset == scan


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"\xff\xd8", b"\x89P", "not a JPEG: it does not start with FF D8"),
        (b"\xff\xc0\x00\x11", b"\xff\xc0\x00\x10", "frame header of wrong length"),
        (b"\xff\xc0\x00\x11\x08\x00\x0a", b"\xff\xc0\x00\x11\x08\x00\x00", "width or height is 0"),
        (b"\x03\x01\x11\x00", b"\x03\x01\x15\x00", "a sampling factor is not 1 to 4"),
        (b"\x03\x01\x11\x00", b"\x03\x01\x11\x04", "a quantisation table is not 0 to 3"),
        (b"\xff\xda\x00\x0c", b"\xff\xda\x00\x0b", "scan header of wrong length"),
        (b"\x00\x3f\x00", None, None),
        (b"\xff\xc4\x00\x1f\x00", b"\xff\xc4\x00\x1f\x24", "Huffman table is not 0 to 3"),
        (b"\xff\xdb\x00\x43\x00", b"\xff\xdb\x00\x43\x25", "quantisation table is not 0 to 3"),
        (b"\x03\x01\x00\x02\x11", b"\x03\x09\x00\x02\x11", "a component that is not there"),
    ],
)
def test_each_wrong_field_has_its_error(old, new, text):
    data = encoded(photo(20, 10), subsampling=0)
    assert data.count(old) == 1
    if new is None:  # the spectral range is not looked at, as by libjpeg
        data = data.replace(old, b"\x01\x3f\x00")
        assert jpeg.header(data).width == 20
        return
    with pytest.raises(ImageError, match=text):
        jpeg.header(data.replace(old, new))


def test_bytes_between_segments_are_passed_over_as_by_libjpeg():
    data = encoded(photo(20, 10))
    for junk in (b"\x00\x01", b"\xff", b"\xff\xff\xff"):
        assert jpeg.header(data[:2] + junk + data[2:]).width == 20


def test_views_of_any_kind_are_taken_and_text_is_not():
    data = encoded(photo(20, 10))
    views = (memoryview(data), memoryview(bytearray(data)), data)
    assert len({jpeg.header(view) for view in views}) == 1
    with pytest.raises(TypeError):
        jpeg.header("text")  # type: ignore[arg-type]
