"""The pose network between pairs of pictures, and its supervision by known motion."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.recipe import Recipe
from train.warp import matrix_to_pose, metric_pose_to_canonical, so3_exp

_ROTATION_WEIGHT = 10.0  # a metre for 0.1 rad
_STILL_M = 0.05  # shorter steps are not judged by their own length


def pair_poses(net: nn.Module, target, sources: list, offsets: tuple[int, ...]) -> Tensor:
    """Return source_T_target (B,S,6), canonical: each pair is shown to the network in the order of
    time.

    target and each source: pictures (B,3,H,W), or lists of features. A source from the future is
    the second picture, and its motion is turned round.
    """
    ordered = [
        (source, target) if step < 0 else (target, source) for source, step in zip(sources, offsets)
    ]
    first, second = (_joined(column) for column in zip(*ordered))
    poses = net(first, second).chunk(len(sources))
    turned = [pose if step < 0 else _inverse(pose) for pose, step in zip(poses, offsets)]
    return torch.stack(turned, 1)


def motion_loss(poses: Tensor, batch: dict[str, Tensor], recipe: Recipe) -> Tensor:
    """Mean error of poses (B,S,6), canonical, against the batch's source_T_target (B,S,4,4),
    metres.

    Translation relative to its own length: a creeping robot's centimetre counts like a car's metre.
    Rotation in radians times 10. Pairs of unknown motion (NaN) are left out.
    """
    truth = batch["source_T_target"]
    known = truth.isfinite().all(-1).all(-1)
    truth = torch.where(known[..., None, None], truth, torch.eye(4).to(truth))
    fx = batch["K"][:, 0, 0].repeat_interleave(truth.shape[1])
    wanted = metric_pose_to_canonical(
        matrix_to_pose(truth.flatten(0, 1)), fx, recipe.network.focal_px
    )
    error = (poses.flatten(0, 1) - wanted).abs()
    length = wanted[:, 3:].norm(dim=1) + _STILL_M
    each = _ROTATION_WEIGHT * error[:, :3].sum(1) + error[:, 3:].sum(1) / length
    return (each * known.flatten()).sum() / known.sum().clamp(min=1)


def _inverse(pose: Tensor) -> Tensor:
    """The motion back: -rotvec and -R^T t, of (B,6)."""
    back = so3_exp(-pose[:, :3]) @ pose[:, 3:, None]
    return torch.cat([-pose[:, :3], -back[..., 0]], 1)


def _joined(parts):
    """Pictures, or lists of features, one batch after the other."""
    if isinstance(parts[0], list):
        return [torch.cat(level) for level in zip(*parts)]
    return torch.cat(parts)
