"""The pose network: the motion between pictures, and the mask of what does not follow it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from train.model.decoder import Decoder, head, keep_variance
from train.model.encoder import CHANNELS, make_encoder

DIVISOR = 32
ROTATION_UNIT_RAD = 0.01
# A point START_DEPTH_M away moves as far in the picture by one unit of this as by one unit of
# rotation.
TRANSLATION_UNIT_M = 0.1
_WIDTH = 128
_MASK_WIDTH = 0.5
_MASK_START = 1.0  # logit: believe the motion until it proves wrong


class PoseNet(nn.Module):
    """Two or more pictures to the motion between them (Zhou et al. 2017, "Unsupervised Learning of
    Depth and Ego-Motion from Video", section 3.2; encoder and head as Godard et al. 2019, section
    3.3).

    encoder: "separate", its own `backbone` over the stacked pictures, or "shared", which takes
    features of that backbone (DepthNet.features) instead of pictures. explain: also logits of the
    explainability mask (section 3.3).

    sources = 1: forward(first, second), the second picture the later one, gives first_T_second
    (B,6): rotation vector,
        rad, then translation, m; it maps points of the second camera into the first. Both
        canonical.
    sources = S > 1: forward(target, [source, ...]) gives source_T_target (B,S,6), which maps points
    of the target
        camera into each source camera.
    Pictures are (B,3,H,W) float32 RGB in [0,1], H and W multiples of 32. With `explain` the result
    is (pose, masks); masks: finest first, (B,S,H/2^s,W/2^s) logits, high where the pixel is
    explained by depth and motion. Untrained, the motion is nearly zero. Raises InputError for an
    unknown encoder, backbone or number of sources.
    """

    def __init__(
        self,
        encoder: str = "separate",
        backbone: str = "resnet18",
        sources: int = 1,
        explain: bool = False,
        pretrained: bool = False,
        weights: Path | None = None,
        freeze_norm: bool = False,
    ):
        super().__init__()
        if encoder not in ("separate", "shared"):
            raise InputError(f"expected pose encoder separate or shared, got {encoder!r}")
        if backbone not in CHANNELS:
            raise InputError(f"expected a backbone of {sorted(CHANNELS)}, got {backbone!r}")
        if sources < 1:
            raise InputError(f"expected sources >= 1, got {sources}")
        self.sources = sources
        images = 1 + sources
        self.encoder = None
        if encoder == "separate":
            self.encoder = make_encoder(backbone, pretrained, images, weights, freeze_norm)
        if self.encoder:
            channels = CHANNELS[backbone]
        else:
            channels = tuple(images * c for c in CHANNELS[backbone])
        self.head = _pose_head(channels[-1], 6 * sources)
        self.register_buffer("unit", _units(), persistent=False)
        self.explain = Decoder(channels, _MASK_WIDTH) if explain else None
        self.masks = (
            nn.ModuleList(head(c, sources, _MASK_START) for c in self.explain.channels)
            if explain
            else None
        )

    def forward(self, target, sources):
        """Pictures, or lists of features where the encoder is shared; see the class."""
        features = self._features(target, sources if self.sources > 1 else [sources])
        pose = self.head(features[-1]).mean((2, 3)).view(-1, self.sources, 6) * self.unit
        if self.sources == 1:
            pose = pose[:, 0]
        if self.explain is None:
            return pose
        return pose, [layer(x) for layer, x in zip(self.masks, self.explain(features))]

    def _features(self, target, sources: list) -> list[Tensor]:
        if len(sources) != self.sources:
            raise InputError(f"expected {self.sources} sources, got {len(sources)}")
        if self.encoder is not None:
            return self.encoder(torch.cat([target, *sources], 1))
        return [torch.cat(level, 1) for level in zip(target, *sources)]


def _pose_head(inputs: int, outputs: int) -> nn.Sequential:
    trunk = nn.Sequential(
        nn.Conv2d(inputs, _WIDTH, 1),
        nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1),
        nn.ReLU(inplace=True),
    )
    keep_variance(trunk)
    return nn.Sequential(*trunk, head(_WIDTH, outputs, kernel=1))


def _units() -> Tensor:
    return torch.tensor([ROTATION_UNIT_RAD] * 3 + [TRANSLATION_UNIT_M] * 3)
