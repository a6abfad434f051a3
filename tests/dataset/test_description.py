"""Options, and dataset.json."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from imnet_data.conversion.convert import convert
from imnet_data.dataset import description
from imnet_data.dataset.description import Options
from imnet_data.dataset.opened import Dataset
from imnet_data.errors import ConvertError

WNID = "n01440764"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("order", value) for value in ("descending", 1, True)),
        *(("seed", value) for value in ("a", 1.5, True)),
        *(("shard_nbytes", value) for value in (-1, 0, 1e9, "256MiB")),
        *(("bad", value) for value in ("ignore", "", False)),
        *(("boxes", value) for value in (1, 0, "yes")),
        *(("max_side", value) for value in (0, -5, 500.0)),
        *(("short_side", value) for value in (0, "256")),
        *(("quality", value) for value in (0, 101, 500, 90.0)),
        *(("classes", value) for value in ((), WNID, ("tench",), (WNID, WNID), (["a"],), 3)),
        *(("limit", value) for value in (0, -1, 2.5)),
        *(("raw", value) for value in (7.0, -0.1, float("nan"), "half")),
        *(("jpeg", value) for value in ("seekble", True)),
        *(("labels", value) for value in ("caffe", 12, "")),
    ],
)
def test_options_refuse_what_they_do_not_mean(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        Options(**{name: value})


def test_options_that_mean_something_are_taken() -> None:
    options = Options(
        order="sorted",
        seed=-(2**70),
        shard_nbytes=1,
        bad="keep",
        boxes=False,
        max_side=1,
        short_side=70_000,
        quality=100,
        classes=[WNID],  # type: ignore[arg-type]
        limit=1,
        raw=0,
        jpeg="original",
        labels="12k",
        hierarchy=__file__,
        min_images=501,
        val_first=50,
        frames=["every", "2"],  # type: ignore[arg-type]
    )
    assert options.classes == (WNID,)
    assert Options(classes=("found",)).to_json() == {"classes": ("found",)}
    assert set(options.to_json()) == {*vars(Options())} - {"resize"}
    assert Options(resize=224).to_json() == {"resize": 224}


def test_options_that_an_earlier_version_accepted_are_still_read(
    tarballs: Path, tmp_path: Path
) -> None:
    convert(tarballs, tmp_path / "old", options=Options(limit=5, classes=("found",)))
    path = tmp_path / "old" / description.FILE_NAME
    document = json.loads(path.read_bytes())
    document["options"] |= {"order": "descending", "quality": 500}
    path.write_text(json.dumps(document))
    with Dataset.open(tmp_path / "old", "val") as dataset:
        assert dataset.about.options.to_json()["order"] == "descending"
        assert dataset.about.options.classes == ("found",)
        assert len(list(dataset)) == 5
    message = "order is 'descending'; allowed are shuffled, sorted"
    with pytest.raises(ConvertError, match=re.escape(message)):
        convert(tmp_path / "old", tmp_path / "new")
    assert not (tmp_path / "new").exists()
