"""The U-Net decoder that depth and explainability share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SCALES = 4
_WIDTHS = (12, 20, 32, 48, 80)  # channels at strides 1, 2, 4, 8, 16 where width is 1


class Decoder(nn.Module):
    """Bring encoder features back to full resolution (Ronneberger et al. 2015, U-Net; Godard et al.
    2019, table 5).

    forward(features): the five maps of an encoder, strides 2 to 32. Returns `scales` maps, finest
    first, (B,channels[s],H/2^s,W/2^s). A 1 x 1 convolution thins a map before it is enlarged: both
    are linear, so the order changes nothing but the cost. Not normalised: batches are small, and
    the statistics of finely resolved maps would differ between training and use.
    """

    def __init__(self, encoder_channels: tuple[int, ...], width: float = 1.0, scales: int = SCALES):
        super().__init__()
        self.widths = tuple(max(4, round(width * w)) for w in _WIDTHS)
        self.channels = self.widths[:scales]
        skips = (0, *encoder_channels[:-1])
        befores = (*self.widths[1:], encoder_channels[-1])
        self.thin = nn.ModuleList(
            nn.Conv2d(before, w, 1) for before, w in zip(befores, self.widths)
        )
        self.mix = nn.ModuleList(
            nn.Conv2d(w + skip, w, 3, padding=1) for w, skip in zip(self.widths, skips)
        )
        keep_variance(self)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        x = features[-1]
        outputs = []
        for level in reversed(range(len(self.widths))):
            x = F.interpolate(
                self.thin[level](x), scale_factor=2, mode="bilinear", align_corners=False
            )
            if level > 0:
                x = torch.cat([x, features[level - 1]], 1)
            x = F.elu(self.mix[level](x))
            outputs.append(x)
        return outputs[::-1][: len(self.channels)]


def head(inputs: int, outputs: int, start: float = 0.0, kernel: int = 3) -> nn.Conv2d:
    """A last convolution that answers nearly `start` everywhere before training."""
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    with torch.no_grad():
        layer.weight.mul_(0.1)  # not zero: what lies below has to learn from the first step
        layer.bias.fill_(start)
    return layer


def keep_variance(net: nn.Module) -> None:
    """Initialise convolutions so that answers are as large as inputs (He et al. 2015, eq. 10);
    biases 0.

    A 1 x 1 convolution counts as linear, any other as followed by a rectifier.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            if module.kernel_size[0] > 1:
                after = "relu"
            else:
                after = "linear"
            nn.init.kaiming_normal_(module.weight, nonlinearity=after)
            nn.init.zeros_(module.bias)
