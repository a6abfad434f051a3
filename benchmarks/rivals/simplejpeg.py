"""The ceiling of every loader that decodes whole images: libjpeg-turbo, and nothing around it.

No reading, no crop, no resize, no batch; always on one core.
"""

label = "bare decode of whole images (simplejpeg 1.9.0, libjpeg-turbo)"
environment = "torch"
install = "pip install numpy==2.4.6 simplejpeg==1.9.0"
reads = "folder"
setting = "from memory, one core"


def batches(root, cores):
    import simplejpeg

    del cores
    classes = sorted(path.name for path in root.glob("train/n*"))
    files = [
        (path.read_bytes(), label)
        for label, wnid in enumerate(classes)
        for path in sorted((root / "train" / wnid).iterdir())
    ]

    def epoch(number):
        del number
        for jpeg, label in files:
            yield [simplejpeg.decode_jpeg(jpeg)], [label]

    return epoch
