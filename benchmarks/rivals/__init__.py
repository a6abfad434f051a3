"""Loaders of training batches behind the same names, one file each (RIVALS); others' and ours.

Each is imported by the benchmark to read what is about it, so what it needs is imported in
`batches` and `prepare` only:

    label            what the table calls it, with the version that `install` pins
    environment      folder under WORK_FOLDER/venvs where it is installed; "" for the Python that
                     runs the benchmark
    install          shell command that installs it there, with that environment's `pip` in front
    needs            Debian packages without which `install` or `batches` fails, if any
    reads            folder of the input: "folder", "webdataset", "seekable", "packed" and "beton"
                     are made by `imnet_data.convert`, others by `prepare`
    setting          how it is set up, for the table
    batches(root, cores)
                     gives `epoch`: `epoch(n)` gives (images, labels) of every record once
    prepare(folder, out)
                     writes the input from an ImageFolder, where no format of ours is read
    environ          what the process has in its environment besides, if anything
    core_factor      cores of this row for each that is asked for, if not one

A batch has BATCH_SIZE images of 224 x 224: RandomResizedCrop with torchvision's default scale and
ratio, bilinear with antialiasing where it can be had, horizontal flip, uint8 before normalisation.
"""

BATCH_SIZE = 64
SIZE = 224
RIVALS = (  # in the order of the table
    "simplejpeg",
    "pillow",
    "torchvision",
    "pillow_simd",
    "timm",
    "webdataset",
    "streaming",
    "litdata",
    "spdl",
    "turboloader",
    "torchcodec",
    "ffcv",
    "ffcv_raw",
    "ffcv_256",
    "dali",
    "dali_gpu",
    "ours_original",
    "ours",
    "ours_packed",
    "ours_packed_avx2",
    "ours_packed_two",
    "ours_torch",
    "ours_torch_packed",
)
CEILING = "simplejpeg"  # of every loader that decodes whole images
REFERENCE = "pillow"  # whose pixels are right
EXACT = (  # give the same pixels to the last bit
    "pillow",
    "ours_original",
    "ours",
    "ours_packed",
    "ours_packed_avx2",
    "ours_packed_two",
)
