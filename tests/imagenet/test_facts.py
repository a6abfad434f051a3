"""Published facts stand once: what else has them agrees."""

from pathlib import Path

from imnet_data.imagenet import facts, labels, variants
from imnet_data.synth import FILE_NAMES

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_tables_of_val_have_as_many_rows_as_val_has_images():
    count, of_each_class = facts.SPLITS["val"].record_count, facts.SPLITS["val"].class_counts
    assert of_each_class is not None
    assert len(labels.val_wnids()) == len(variants.real_labels()) == count
    assert count == len(labels.ilsvrc2012()) * of_each_class[0]


def test_synthetic_files_have_official_names():
    assert set(FILE_NAMES) <= {file.name for file in facts.OFFICIAL_FILES}


def test_the_pages_have_the_published_counts():
    train, val = (f"{facts.SPLITS[split].record_count:,}" for split in ("train", "val"))
    for name in ("verifying.md", "labels.md", "storage.md"):
        text = (DOCS / name).read_text().replace("_", ",")
        assert val in text, name
        assert train in text or name == "labels.md", name
    the_data = (DOCS / "the-data.md").read_text()
    for variant in variants.VARIANTS.values():
        for count in variant.counts.values():
            assert f"{count:,}" in the_data, variant.name
