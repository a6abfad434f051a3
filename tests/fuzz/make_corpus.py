"""Writes a corpus of small JPEGs of all kinds: make_corpus.py FOLDER."""

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "kits"))

from baseline import random_jpeg, random_kind
from jpeg_images import encoded, photo

from imnet_data import jpeg
from imnet_data.errors import NotPackable, NotSeekable


def main(folder: Path) -> None:
    """Write about 210 files, the same ones each time."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [random_jpeg(random_kind(rng), rng) for rng in map(random.Random, range(60))]
    for seed in range(30):
        image = photo(16 + 3 * seed, 8 + seed, seed=seed, mode="L" if seed % 7 == 0 else "RGB")
        options = {"restart_marker_blocks": 1 + seed // 3} if seed % 3 == 0 else {}
        files.append(encoded(image, subsampling=seed % 3, optimize=seed % 2 == 0, **options))
    for data in list(files):
        for rewrite in (jpeg.seekable, jpeg.pack):
            try:
                files.append(rewrite(data, target_width=16))
            except (NotSeekable, NotPackable):
                continue
    for number, data in enumerate(files):
        (folder / f"{number:03d}.jpg").write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
