"""Stereo: disparity supervised by the procedural world, from a pool of pairs."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_ros.core.errors import InputError
from train.data.batches import Sizes, held_out_keys
from train.data.stereo import StereoPairs
from train.losses import stereo_loss
from train.model.stereo import StereoNet
from train.model.stereo_fast import FastStereoNet
from train.recipe import Recipe

_HELD_OUT = 32  # the first pairs of every pool are never trained on


class StereoObjective(nn.Module):
    """StereoNet and its loss; see train.objective.Objective."""

    def __init__(self, recipe: Recipe):
        super().__init__()
        self.recipe = recipe
        net = recipe.network
        self.net = (
            FastStereoNet(net.width_channels)
            if net.prior_scale == 2
            else StereoNet(net.width_channels)
        )

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        early, disparity, log_sigma = self.net.stages(batch["left"], batch["right"], batch["prior"])
        loss = stereo_loss(early, disparity, log_sigma, batch["truth"], batch["mask"])
        with torch.no_grad():
            parts = {
                "bad2_pct": bad_share(disparity, batch["truth"], batch["mask"]),
                "matched_bad2_pct": bad_share(
                    _full(batch["prior"], batch["truth"]), batch["truth"], batch["mask"]
                ),
            }
        return loss, parts

    def samples(self, part: str, frames=None) -> Sizes:
        """Pairs of the pool: the first 32 are held out.

        A growing pool is listed as it stands now.
        """
        if frames is not None:
            raise InputError("task stereo: expected a pool of pairs (data.path), got frames")
        data, files = self.recipe.data, sorted(Path(self.recipe.data.path).glob("*.npz"))
        held_out = min(_HELD_OUT, len(files) // 4)
        files = files[held_out:] if part == "train" else files[:held_out]
        if not files:
            raise InputError(
                f"{data.path}: expected a pool of pairs (python -m train render), got "
                f"{len(files)} files"
            )
        how = part == "train", self.recipe.fit.seed, self.recipe.network.prior_scale
        return Sizes([StereoPairs(files, size, *how) for size in data.sizes])

    def score(self, samples: Sizes, device) -> tuple[dict[str, float], dict[str, Tensor]]:
        rows, picture = [], None
        for key in held_out_keys(samples):
            item = {name: value[None].to(device) for name, value in samples[key].items()}
            disparity, _ = self.net(item["left"], item["right"], item["prior"])
            maps = disparity, _full(item["prior"], item["truth"])
            rows.append([float(bad_share(x, item["truth"], item["mask"])) for x in maps])
            if picture is None:
                top = item["truth"].nan_to_num(0).amax().clamp(min=1)
                picture = torch.cat(
                    [item["left"][0], (disparity[0] / top).clamp(0, 1).expand(3, -1, -1)], 1
                )
        net, matched = torch.tensor(rows).mean(0).tolist()
        return {"bad2_pct": net, "matched_bad2_pct": matched}, {"disparity": picture}


def _full(prior: Tensor, truth: Tensor) -> Tensor:
    """The matched disparity (B,1,H,W), whatever its resolution."""
    return F.interpolate(prior[:, :1], truth.shape[2:], mode="nearest")


def bad_share(disparity: Tensor, truth: Tensor, mask: Tensor, px: float = 2.0) -> Tensor:
    """Give the percentage of judged pixels whose disparity is wrong by more than `px`, a scalar."""
    wrong = ((disparity - truth).abs() > px) & mask
    return 100 * wrong.sum() / mask.sum().clamp(min=1)
