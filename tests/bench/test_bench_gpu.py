"""The stages that need a GPU."""

import pytest

torch = pytest.importorskip("torch", reason="a GPU is driven by torch")

from imnet_data.bench import names, roofline, rounds  # noqa: E402
from imnet_data.bench.options import BenchOptions  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]


@pytest.mark.parametrize("loader", ["cpu", "torch", "dali"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_copy_loader_step_and_training_are_timed_and_checked_on_a_gpu(root, loader, precision):
    if loader == "dali":
        pytest.importorskip("nvidia.dali", reason="DALI is not installed")
    options = BenchOptions(
        loader=loader,
        batch_size=8,
        size=32,
        seconds=0.05,
        repeats=2,
        model="resnet10",
        precision=precision,
    )
    (told,) = rounds.measure([root], options).datasets
    assert (told.device, told.skipped) == ("cuda", {})
    rows = [one.name for one in told.measurements[-4:]]
    assert rows == [names.COPY, f"batches ({loader})", names.MODEL, names.TRAINING]
    assert all(one.checked == 16 and one.images_per_second > 0 for one in told.measurements[-4:])
    expected = [one.name for one in roofline.predicted(told, cores=1)]
    assert expected == ([] if loader == "dali" else [f"batches ({loader})", names.TRAINING])
