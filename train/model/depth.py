"""The depth network: one picture to canonical inverse depth at four scales."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from train.model.decoder import SCALES, Decoder, head
from train.model.encoder import make_encoder

DIVISOR = 32
START_DEPTH_M = 9.0  # what an untrained network answers: between a room and a street
LOG_SIGMA = (math.log(0.01), math.log(2.0))  # one sigma of depth between 1 % and 200 % of it
_START_LOG_SIGMA = math.log(0.3)


class Prediction(NamedTuple):
    """inv_depth: finest first, (B,1|2,H/2^s,W/2^s) 1/m, canonical; channel 0 left, 1 right.

    log_sigma: (B,1,H,W), natural logarithm of one sigma of depth over depth, or None.
    """

    inv_depth: list[Tensor]
    log_sigma: Tensor | None


class DepthNet(nn.Module):
    """Encoder, U-Net decoder and a head per scale (Godard et al. 2019, "Digging Into
    Self-Supervised Monocular Depth Estimation", section 3.3 and table 5).

    left_right: a second channel with the inverse depth of the right picture (Godard et al. 2017,
    "Unsupervised Monocular Depth Estimation with Left-Right Consistency", section 3.2). log_sigma:
    a further head (Kendall & Gal 2017). Depth lies between min_depth_m and max_depth_m; width
    scales the decoder's channels.

    The heads answer log depth: inv_depth = exp(log(1/max) + sigmoid(x) log(max/min)). A step of x
    then changes depth by the same ratio near and far, and the start is a depth that scenes have; a
    sigmoid that is linear in inverse depth (Godard et al. 2019, section 3) would start at twice
    min_depth_m.

    forward(image): (B,3,H,W) float32 RGB in [0,1], H and W multiples of 32; gives a Prediction.
    Raises InputError where the depths, the scales or the encoder make no sense.
    """

    def __init__(
        self,
        encoder: str = "efficientnet_lite0",
        pretrained: bool = True,
        left_right: bool = False,
        log_sigma: bool = False,
        min_depth_m: float = 0.1,
        max_depth_m: float = 100.0,
        scales: int = SCALES,
        width: float = 1.0,
        weights: Path | None = None,
        freeze_norm: bool = False,
    ):
        super().__init__()
        if not 0 < min_depth_m < max_depth_m:
            raise InputError(
                f"expected 0 < min_depth_m < max_depth_m, got {min_depth_m} and {max_depth_m}"
            )
        if not 1 <= scales <= SCALES:
            raise InputError(f"expected 1 to {SCALES} scales, got {scales}")
        self.range_m = (min_depth_m, max_depth_m)
        self.encoder = make_encoder(encoder, pretrained, weights=weights, freeze_norm=freeze_norm)
        self.decoder = Decoder(self.encoder.channels, width, scales)
        start = _logit(
            math.log(max_depth_m / _start_depth(*self.range_m))
            / math.log(max_depth_m / min_depth_m)
        )
        if left_right:
            outputs = 2
        else:
            outputs = 1
        self.heads = nn.ModuleList(head(c, outputs, start) for c in self.decoder.channels)
        low, high = LOG_SIGMA
        start = _logit((_START_LOG_SIGMA - low) / (high - low))
        self.sigma_head = head(self.decoder.channels[0], 1, start) if log_sigma else None

    def forward(self, image: Tensor) -> Prediction:
        return self.decode(self.features(image))

    def features(self, image: Tensor) -> list[Tensor]:
        """Five encoder features, strides 2 to 32, finest first; a pose network can share them."""
        return self.encoder(image)

    def decode(self, features: list[Tensor]) -> Prediction:
        """The rest of forward, from features."""
        maps = self.decoder(features)
        inv_depth = [self._inv_depth(layer(x)) for layer, x in zip(self.heads, maps)]
        if self.sigma_head is None:
            return Prediction(inv_depth, None)
        low, high = LOG_SIGMA
        return Prediction(inv_depth, low + (high - low) * torch.sigmoid(self.sigma_head(maps[0])))

    def _inv_depth(self, x: Tensor) -> Tensor:
        low, high = self.range_m
        return torch.exp(torch.sigmoid(x) * math.log(high / low)) / high


def _start_depth(low: float, high: float) -> float:
    """START_DEPTH_M, or the geometric middle of a range that has no room around it."""
    if 2 * low < START_DEPTH_M < high / 2:
        return START_DEPTH_M
    return math.sqrt(low * high)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
