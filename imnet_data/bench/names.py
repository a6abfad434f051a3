"""The names of the stages, as reports have them."""

READ_COLD = "read, cold, epoch order"
READ_WARM = "read, warm, epoch order"
HASH = "hash (sha256)"
CUT = "cut (JPEG of the crop)"
DECODE = "decode (of the crop)"
RESIZE = "resize and flip"
NORMALIZE = "normalize"
COPY = "copy to the GPU, normalize"
BATCHES = "batches"  # and the loader
WARM_BATCHES = "batches ("  # as all warm loaders' names begin
COLD_BATCHES = "batches, cold"
THINKING = "with a step per batch"
VALIDATION = "validation batches"
MODEL = "model step"
TRAINING = "training step"


def reading(*, is_cold: bool, in_epoch_order: bool) -> str:
    """Name a stage that reads."""
    order = "epoch" if in_epoch_order else "stored"
    return f"read, {'cold' if is_cold else 'warm'}, {order} order"
