"""The lines before a script that imports torchvision."""

# for wheels of torchvision whose own operators do not load beside another torch
TORCHVISION = """
import sys, torch
try:
    import torchvision
except (RuntimeError, AttributeError):
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
