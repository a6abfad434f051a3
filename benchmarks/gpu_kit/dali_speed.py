"""Images per second of DALI's loader, and of a ResNet-50 step on its batches."""

from gpu_kit.speed import measured


def run(check, place):
    """Run the assertions of this section."""
    # on a CPU DALI's batches are arrays, and a step takes tensors
    inputs = () if place.is_rehearsal else ("dali",)
    measured(check, place, loaders=("dali",), inputs=inputs, alone=False)
