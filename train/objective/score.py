"""What a look at held-out samples gives: figures, and pictures for people."""

from __future__ import annotations

import matplotlib
import torch
from torch import Tensor

from depth_ros.core.metrics import depth_metrics, mean_metrics
from train.data.batches import Sizes, held_out_keys


def score(objective, samples: Sizes, device) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Score a DepthObjective: its loss, and depth against truth where there is any, as it is and
    median-scaled.
    """
    losses = []
    rows = []
    aligned = []
    pictures = {}
    for number, key in enumerate(held_out_keys(samples)):
        batch = {name: value[None].to(device) for name, value in samples[key].items()}
        losses.append({name: float(value) for name, value in objective(batch)[1].items()})
        inv_depth = objective.metric(objective.depth(batch["image_aug"]).inv_depth[0], batch)[:, :1]
        if number < 3:
            pictures[f"held_out/{number}"] = torch.cat(
                [batch["image"][0].cpu(), coloured(inv_depth)], 1
            )
        if "depth" in batch and batch["depth"].isfinite().any():
            pair = (1 / inv_depth[0, 0]).cpu().numpy(), batch["depth"][0, 0].cpu().numpy()
            rows.append(depth_metrics(*pair))
            aligned.append(depth_metrics(*pair, scaling="median"))
    figures = {name: sum(loss[name] for loss in losses) / len(losses) for name in losses[0]}
    if rows:
        for name, metrics in (("", mean_metrics(rows)), ("_median_scaled", mean_metrics(aligned))):
            figures |= {f"{key}{name}": metrics[key] for key in ("abs_rel", "delta1")}
    return figures, pictures


def coloured(inv_depth: Tensor) -> Tensor:
    """Colour inverse depth (1,1,H,W), from 0 to its 95th percentile: (3,H,W) in [0,1], near is
    red.
    """
    values = inv_depth[0, 0].float().cpu().numpy()
    top = float(torch.quantile(inv_depth.float().flatten()[::7], 0.95)) or 1.0
    return (
        torch.from_numpy(matplotlib.colormaps["turbo"](values / top)[..., :3])
        .permute(2, 0, 1)
        .float()
    )
