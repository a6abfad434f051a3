import io
from pathlib import Path

import pytest
import source_layouts as layouts
from PIL import Image

from imnet_data.errors import SourceError
from imnet_data.record import Box
from imnet_data.sources import open_sources, report
from imnet_data.sources.boxes import fitted, from_csv_row, from_xml

KEY = f"{layouts.CLASSES[0]}_7"
VAL_KEY = "ILSVRC2012_val_00000002"


def _xml(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (500, 375)) -> bytes:
    objects = "".join(
        f"<object><name>Scottish_deerhound</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    return (
        f"<annotation><folder>x</folder><filename>%s</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size><segmented>0</segmented>{objects}"
        "</annotation>"
    ).encode()


def _jpeg(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (width, height)).save(buffer, "JPEG", progressive=True)
    return buffer.getvalue()


def _bbox_archives(root: Path) -> None:
    layouts.write_tar(
        root / "ILSVRC2012_bbox_train_v2.tar.gz",
        {
            f"{layouts.CLASSES[0]}/{KEY}.xml": _xml((10, 20, 30, 40), (50, 60, 70, 80)),
            "n99999999/n99999999_1.xml": _xml((1, 2, 3, 4)),
        },
    )
    layouts.write_tar(
        root / "ILSVRC2012_bbox_val_v3.tgz", {f"val/{VAL_KEY}.xml": _xml((1, 2, 3, 4))}
    )


def _boxes(paths: list[Path], tmp_path: Path) -> dict[str, tuple[Box, ...]]:
    source = open_sources(paths, boxes=True, spool=tmp_path / "spool")
    records = [
        r for found in source.splits.values() for r in map(found.__getitem__, range(len(found)))
    ]
    source.close()
    assert len(records) == 18 + 6 + 2
    return {record.key: record.boxes for record in records if record.boxes}


def test_boxes_of_the_official_archives_travel_with_their_records(tmp_path):
    root = layouts.official(tmp_path / "source")
    _bbox_archives(root)
    expected = {
        KEY: (Box(10, 20, 30, 40), Box(50, 60, 70, 80)),
        VAL_KEY: (Box(1, 2, 3, 4),),
    }
    assert _boxes([root], tmp_path) == expected
    source = open_sources([root], boxes=True)
    assert source.notes == ("boxes of 1 images that are not here were left out",)
    source.close()
    tree = layouts.extracted(tmp_path / "tree")
    assert _boxes([tree, *root.glob("*bbox*")], tmp_path) == expected


def test_boxes_are_left_out_where_they_are_not_asked_for(tmp_path):
    root = layouts.official(tmp_path)
    _bbox_archives(root)
    source = open_sources([root])
    assert source.notes == ()
    assert [
        f"found in {root / name}: boxes, left out without --boxes: 1"
        for name in ("ILSVRC2012_bbox_train_v2.tar.gz", "ILSVRC2012_bbox_val_v3.tgz")
    ] == [line for line in report.found(source) if "left out without" in line]
    source.close()
    source = open_sources([root / "ILSVRC2012_img_val.tar", root / "ILSVRC2012_bbox_val_v3.tgz"])
    assert source.notes == ("ILSVRC2012_bbox_val_v3.tgz: boxes were not requested, and left out",)
    source.close()


@pytest.mark.parametrize(
    "layout", [layouts.kaggle_folder, layouts.kaggle_zip, layouts.kaggle_tar_gz]
)
def test_kaggles_boxes_are_those_of_its_csv_where_there_is_no_xml(layout, tmp_path):
    found = _boxes([layout(tmp_path / "source")], tmp_path)
    assert found == {record.key: (Box(1, 2, 30, 40),) for record in layouts.val()}


def test_kaggles_xml_is_taken_before_its_csv(tmp_path):
    root = layouts.kaggle_folder(tmp_path / "source")
    name = f"ILSVRC/Annotations/CLS-LOC/val/{VAL_KEY}.xml"
    layouts.write_files(root, {name: _xml((5, 6, 7, 8))})
    expected = {VAL_KEY: (Box(5, 6, 7, 8),)}
    assert _boxes([root], tmp_path) == expected
    path = layouts.write_tar(
        tmp_path / "imagenet_object_localization_patched2019.tar",
        {**layouts.kaggle_files(), name: _xml((5, 6, 7, 8))},
    )
    assert _boxes([path], tmp_path) == expected


def test_missing_boxes_are_told(tmp_path):
    source = open_sources([layouts.extracted(tmp_path)], boxes=True)
    assert source.notes[0] == "no boxes were found"
    assert source.splits["train"][0].boxes == ()
    source.close()


def test_two_files_of_boxes_of_one_image_are_an_error(tmp_path):
    root = layouts.official(tmp_path)
    _bbox_archives(root)
    again = tmp_path / "again.tgz"
    again.write_bytes((root / "ILSVRC2012_bbox_val_v3.tgz").read_bytes())
    with pytest.raises(SourceError, match=f"{VAL_KEY} has two files of boxes"):
        open_sources([root, again], boxes=True)


@pytest.mark.parametrize(
    ("corners", "annotated", "stored", "expected"),
    [
        ([10, 20, 30, 40], (500, 375), (500, 375), [(10, 20, 30, 40)]),
        ([10, 20, 30, 40], (500, 375), (1000, 750), [(20, 40, 60, 80)]),
        ([10, 20, 30, 40], (1000, 750), (500, 375), [(5, 10, 15, 20)]),
        ([1, 1, 500, 375], (500, 375), (500, 375), [(1, 1, 500, 375)]),
        ([-5, -9, 510, 400], (500, 375), (500, 375), [(0, 0, 500, 375)]),
        ([30, 40, 10, 20], (500, 375), (500, 375), [(10, 20, 30, 40)]),
        ([10, 20, 10, 40], (500, 375), (500, 375), []),
        ([600, 20, 700, 40], (500, 375), (500, 375), []),
        ([10, 20, 600, 40], (0, 0), (500, 375), [(10, 20, 500, 40)]),
        ([10, 20, 600, 40], (500, 375), None, [(10, 20, 500, 40)]),
        ([30, 20, 10, 40], (0, 0), None, [(10, 20, 30, 40)]),
    ],
)
def test_boxes_are_scaled_to_the_image_put_in_order_and_held_inside(
    corners, annotated, stored, expected
):
    assert list(fitted([corners], annotated=annotated, stored=stored)) == expected


@pytest.mark.parametrize(
    ("image", "box"),
    [(_jpeg(1000, 750), (2, 4, 6, 8)), (b"no JPEG", (1, 2, 3, 4))],
    ids=["twice", "unknown"],
)
def test_boxes_are_scaled_to_the_image_when_the_record_is_read(tmp_path, image, box):
    name = f"val/{layouts.VAL_WNIDS[1]}/{VAL_KEY}"
    layouts.write_files(tmp_path, {f"{name}.JPEG": image})
    archive = layouts.write_tar(tmp_path / "boxes.tgz", {f"val/{VAL_KEY}.xml": _xml((1, 2, 3, 4))})
    source = open_sources([tmp_path, archive], boxes=True)
    assert source.splits["val"][0].boxes == (Box(*box),)
    source.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<annotation>",
        b"<annotation><object><bndbox><xmin>1</xmin></bndbox></object></annotation>",
        _xml((1, 2, 3, 4)).replace(b"<xmin>1<", b"<xmin>one<"),
        _xml((1, 2, 3, 4)).replace(b"<xmin>1<", b"<xmin>inf<"),
        b'<!DOCTYPE a [<!ENTITY b "1">]>' + _xml((1, 2, 3, 4)).replace(b">1<", b">&b;<"),
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "1">]><a>&b;</a>'.encode(
            "utf-16"
        ),
        b" " * (1 << 21),
    ],
)
def test_xml_that_is_no_annotation_is_an_error(content):
    with pytest.raises(SourceError, match=r"^a\.tgz: the boxes of n1_1 cannot be read"):
        from_xml(content, key="n1_1", archive="a.tgz")


def test_entities_are_refused_before_they_expand():
    content = b'<!DOCTYPE a [<!ENTITY b "1">]>' + _xml((1, 2, 3, 4)).replace(b">1<", b">&b;<")
    with pytest.raises(SourceError, match="it has a document type"):
        from_xml(content, key="n1_1", archive="a.tgz")


def test_corners_that_are_no_numbers_of_32_bits_are_an_error(tmp_path):
    layouts.extracted(tmp_path)
    path = layouts.write_tar(tmp_path / "a.tgz", {f"{KEY}.xml": _xml((1, 2, 1 << 40, 4))})
    with pytest.raises(SourceError, match=f"the boxes of {KEY} are beyond 32 bits"):
        open_sources([tmp_path, path], boxes=True)


def test_a_csv_row_has_groups_of_five():
    annotation, wnid = from_csv_row(f"{VAL_KEY},n01440764 1 2 3 4 n01443537 5 6 7 8 ", archive="a")
    assert (annotation.key, wnid) == (VAL_KEY, "n01440764")
    assert annotation.boxes == (Box(1, 2, 3, 4), Box(5, 6, 7, 8))


@pytest.mark.parametrize("row", ["", "a", "a,", "a,n01440764 1 2 3", "a,tench 1 2 3 4", "a b,n0"])
def test_another_csv_row_is_an_error(row):
    with pytest.raises(SourceError, match="is not `ImageId,wnid x1 y1 x2 y2"):
        from_csv_row(row, archive="a")
