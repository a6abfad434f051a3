"""Models by name: a ResNet of our own, or any of torchvision's or timm's.

`resnet18` and `resnet50` have torchvision's layout (v1.5: the 3x3 convolution of a bottleneck has
the stride), so that weights go from one to the other by name; `resnet10` is a small one for CPUs.
With `_gn` behind its name a model has GroupNorm of 32 groups instead of BatchNorm: no image of a
batch then knows of another.

Source: He et al., "Deep residual learning for image recognition", 2015; Huang et al., "Deep
networks with stochastic depth", 2016; Zhang, "Making convolutional networks shift-invariant again",
2019 (blur, as libffcv/ffcv-imagenet has it: [1 2 1] before convolutions of stride 2).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imnet_data.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

    Norm = Callable[[int], nn.Module]


class _Plan(NamedTuple):
    depths: tuple[int, ...]  # blocks in each of the four stages
    is_bottleneck: bool


OURS = {
    "resnet10": _Plan((1, 1, 1, 1), False),  # for CPUs
    "resnet18": _Plan((2, 2, 2, 2), False),
    "resnet50": _Plan((3, 4, 6, 3), True),
}
_EXPANSION = 4  # channels of a bottleneck's output over those inside
_GROUPS = 32  # of GroupNorm
_PIP = {"torchvision": "pip install torchvision", "timm": "pip install timm"}
_OPTION_NAMES = {
    "torchvision": {
        "stochastic_depth": "stochastic_depth_prob",
        "zero_init": "zero_init_residual",
    },
    "timm": {"stochastic_depth": "drop_path_rate", "zero_init": "zero_init_last"},
}


class ModelOptions(NamedTuple):
    """What a recipe wants of a model; an option that a model does not have is refused."""

    stochastic_depth: float = 0.0
    blur: bool = False
    zero_init: bool = False


PLAIN = ModelOptions()


def build_model(name: str, class_count: int, options: ModelOptions = PLAIN) -> nn.Module:
    """Return a new model with weights drawn from torch's generator.

    Args:
        name: resnet10, resnet18, resnet50 or these with _gn, torchvision:NAME, or timm:NAME.
        class_count: outputs.
        options: see `ModelOptions`.

    Raises:
        ValueError: if there is no such model, or it does not have an option that is asked for.
        MissingExtra: if torchvision or timm is not installed.
    """
    library, colon, rest = name.partition(":")
    if colon and library in _PIP:
        return _foreign(library, rest, class_count, options)
    plan = OURS.get(name.removesuffix("_gn"))
    if plan is None:
        raise ValueError(
            f"unknown model {name!r}; known: {', '.join(OURS)}, these with _gn, "
            "torchvision:NAME and timm:NAME"
        )
    norm: Norm = (lambda width: nn.GroupNorm(_GROUPS, width)) if name.endswith("_gn") else _batch
    return ResNet(plan, class_count, norm=norm, options=options)


def parameter_count(model: nn.Module) -> int:
    """Count the numbers that can be trained."""
    return sum(parameter.numel() for parameter in model.parameters())


def head_name(model: nn.Module) -> str:
    """Name the linear layer that returns the logits, the last one of the model."""
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not names:
        raise ValueError("the model has no linear layer that could be its head")
    last: str = names[-1]
    return last


def _batch(width: int) -> nn.Module:
    return nn.BatchNorm2d(width)


def import_library(library: str, wanted: str) -> Any:
    """Return the module of timm or torchvision, which `wanted` needs.

    Raises:
        MissingExtra: if it is not installed, or does not load.
    """
    try:
        return importlib.import_module(library)
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        what = "is not installed; install it"
        if not isinstance(error, ModuleNotFoundError):  # as where it was built for another torch
            what = (
                f"does not load beside torch {torch.__version__} ({error}); install one that fits"
            )
        raise MissingExtra(
            f"{wanted} needs {library}, which {what}: {_PIP[library]}, "
            f"or choose one of {', '.join(OURS)}"
        ) from error


def _foreign(library: str, name: str, class_count: int, options: ModelOptions) -> nn.Module:
    module = import_library(library, f"model {library}:{name}")
    if options.blur:
        raise ValueError(f"{library}:{name} cannot blur; choose one of {', '.join(OURS)}")
    names = _OPTION_NAMES[library]
    asked = {names[key]: value for key, value in options._asdict().items() if value}
    known = module.list_models() if library == "timm" else module.models.list_models()
    if name.partition(".")[0] not in known:
        raise ValueError(f"{library} has no model {name!r}; see its list_models()")
    create = module.create_model if library == "timm" else module.models.get_model
    try:
        return cast("nn.Module", create(name, num_classes=class_count, **asked))
    except TypeError as error:
        raise ValueError(f"{library}:{name} does not have one of {', '.join(asked)}") from error


class _BlurredConv(nn.Conv2d):
    """A convolution of a blurred image; its parameters are those of the plain one."""

    def __init__(
        self, inputs: int, outputs: int, side: int, *, stride: int, padding: int, bias: bool
    ) -> None:
        super().__init__(inputs, outputs, side, stride=stride, padding=padding, bias=bias)
        line = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = torch.outer(line, line).repeat(inputs, 1, 1, 1)
        # moves to the device with the model; no part of its weights
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        kernel = cast("Tensor", self.kernel).to(input.dtype)
        return super().forward(F.conv2d(input, kernel, padding=1, groups=self.in_channels))


def _conv(inputs: int, outputs: int, side: int, *, stride: int = 1, blur: bool) -> nn.Conv2d:
    kind = _BlurredConv if blur and stride > 1 else nn.Conv2d
    return kind(inputs, outputs, side, stride=stride, padding=side // 2, bias=False)


class _Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of 1x1, 3x3, 1x1, added to the input."""

    def __init__(
        self, inputs: int, width: int, stride: int, *, bottleneck: bool, norm: Norm, blur: bool
    ) -> None:
        super().__init__()
        outputs = width * _EXPANSION if bottleneck else width
        if bottleneck:
            self.conv1 = _conv(inputs, width, 1, blur=blur)
            self.bn1 = norm(width)
            self.conv2 = _conv(width, width, 3, stride=stride, blur=blur)
            self.bn2 = norm(width)
            self.conv3: nn.Module | None = _conv(width, outputs, 1, blur=blur)
            self.bn3: nn.Module | None = norm(outputs)
        else:
            self.conv1 = _conv(inputs, width, 3, stride=stride, blur=blur)
            self.bn1 = norm(width)
            self.conv2 = _conv(width, width, 3, blur=blur)
            self.bn2 = norm(width)
            self.conv3 = self.bn3 = None
        self.downsample: nn.Module | None = None
        if stride > 1 or inputs != outputs:
            shortcut = _conv(inputs, outputs, 1, stride=stride, blur=blur)
            self.downsample = nn.Sequential(shortcut, norm(outputs))
        self.drop_probability = 0.0

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the addition."""
        return self.bn2 if self.bn3 is None else self.bn3

    def forward(self, input: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(input)))
        out = self.bn2(self.conv2(out))
        if self.conv3 is not None and self.bn3 is not None:
            out = self.bn3(self.conv3(F.relu(out)))
        shortcut = input if self.downsample is None else self.downsample(input)
        return F.relu(self._dropped(out) + shortcut)

    def _dropped(self, out: Tensor) -> Tensor:
        """Leave the block out for some images of the batch."""
        if not self.training or not self.drop_probability:
            return out
        keep = 1 - self.drop_probability
        kept = torch.rand(len(out), 1, 1, 1, device=out.device) < keep
        return out * kept.to(out.dtype) / keep


class ResNet(nn.Module):
    """ResNet for images [n, 3, h, w]."""

    def __init__(
        self, plan: _Plan, class_count: int, *, norm: Norm = _batch, options: ModelOptions
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(64)
        inputs = 64
        for stage, depth in enumerate(plan.depths):
            width = 64 << stage
            blocks = []
            for number in range(depth):
                stride = 2 if stage and not number else 1
                blocks.append(
                    _Block(
                        inputs,
                        width,
                        stride,
                        bottleneck=plan.is_bottleneck,
                        norm=norm,
                        blur=options.blur,
                    )
                )
                inputs = width * _EXPANSION if plan.is_bottleneck else width
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, class_count)
        self._initialize(options)

    def _initialize(self, options: ModelOptions) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        blocks = [module for module in self.modules() if isinstance(module, _Block)]
        for number, block in enumerate(blocks, 1):
            block.drop_probability = options.stochastic_depth * number / len(blocks)
            if options.zero_init:
                nn.init.zeros_(cast("Tensor", block.last_norm.weight))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, [n, class_count]."""
        out = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, stride=2, padding=1)
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
        logits: Tensor = self.fc(out.mean((2, 3)))
        return logits
