"""Poses, projection and backward warping in torch: the geometry between two pictures,
differentiable.

Conventions, the only ones in train/: an integer pixel coordinate is a pixel centre, so the picture
spans [-0.5, W - 0.5] and a sample at u reads grid_sample's u_norm = 2 (u + 0.5) / W - 1 with
align_corners=False. source_T_target maps points of the target camera into the source camera; a pose
vector is [rotvec rad, translation m]. K (B,3,3) is in pixels of the tensor it comes with.
Everything runs in at least float32, under autocast too: bfloat16 cannot count the columns of a
picture.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from depth_ros.core.errors import InputError

_NEAR_M = 1e-3  # nearer points of the source camera, and those behind it, have no picture
_SMALL_SQUARE = 1e-2  # rad^2; below, four terms of the series are exact to 1e-13


def so3_exp(rotvec: Tensor) -> Tensor:
    """Return the (B,3,3) rotations of rotation vectors (B,3) in radians, by Rodrigues' formula;
    smooth at zero.
    """
    square = (rotvec * rotvec).sum(-1)[:, None, None]
    small = square < _SMALL_SQUARE
    safe = torch.where(small, torch.ones_like(square), square)
    near = torch.where(small, square, torch.zeros_like(square))
    angle = safe.sqrt()
    a = torch.where(small, 1 - near / 6 + near**2 / 120 - near**3 / 5040, angle.sin() / angle)
    b = torch.where(
        small, 0.5 - near / 24 + near**2 / 720 - near**3 / 40320, 2 * (angle / 2).sin() ** 2 / safe
    )
    x, y, z = rotvec.unbind(-1)
    o = torch.zeros_like(x)
    W = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).view(-1, 3, 3)
    return torch.eye(3).to(rotvec) + a * W + b * (W @ W)


def pose_to_matrix(pose: Tensor) -> Tensor:
    """Return the (B,4,4) transforms of pose vectors (B,6) = [rotvec rad, translation m].

    The translation is the last column as it is, unlike core.lie.se3_exp, whose twists begin with a
    velocity. Raises InputError for another shape.
    """
    if pose.ndim != 2 or pose.shape[1] != 6:
        raise InputError(f"expected pose vectors (B,6), got {tuple(pose.shape)}")
    pose = _at_least_float32(pose)
    with torch.autocast(pose.device.type, enabled=False):
        top = torch.cat([so3_exp(pose[:, :3]), pose[:, 3:, None]], 2)
    last = torch.eye(4)[3:].to(pose).expand(len(pose), 1, 4)
    return torch.cat([top, last], 1)


def matrix_to_pose(a_T_b: Tensor) -> Tensor:
    """Return pose vectors (B,6) of rigid transforms (B,4,4), turns below pi: undoes
    pose_to_matrix, no gradient.
    """
    with torch.no_grad():
        R = a_T_b[:, :3, :3]
        axis = (
            torch.stack(
                [R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], 1
            )
            / 2
        )
        sine = axis.norm(dim=1)
        cosine = (R.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2
        ratio = torch.where(
            sine > 1e-6, torch.atan2(sine, cosine) / sine.clamp(min=1e-6), torch.ones_like(sine)
        )
        return torch.cat([axis * ratio[:, None], a_T_b[:, :3, 3]], 1)


def inverse(a_T_b: Tensor) -> Tensor:
    """Return b_T_a (B,4,4) of rigid transforms a_T_b (B,4,4)."""
    with torch.autocast(a_T_b.device.type, enabled=False):
        b_R_a = a_T_b[:, :3, :3].transpose(1, 2)
        top = torch.cat([b_R_a, -b_R_a @ a_T_b[:, :3, 3:]], 2)
    return torch.cat([top, a_T_b[:, 3:]], 1)


def canonical_pose_to_metric(pose: Tensor, fx: Tensor | float, focal_px: float) -> Tensor:
    """Carry motions (..., 6) from the canonical camera of focal length focal_px to the real one.

    fx: px, of the picture as the network sees it, a number or (...,). A camera of fx sees the
    canonical camera's picture when the world is stretched along z by s = fx / focal_px: lengths
    across stay, depths and t_z grow by s. A turn about x or y moves the picture by f times the
    angle, so angles shrink by s; about z nothing changes. To first order in the angles. focal_px 0:
    not normalised, returned as it is.
    """
    if focal_px == 0:
        return pose
    s = torch.as_tensor(fx, dtype=pose.dtype, device=pose.device).expand(pose.shape[:-1]) / focal_px
    one = torch.ones_like(s)
    return pose * torch.stack([1 / s, 1 / s, one, one, one, s], -1)


def metric_pose_to_canonical(pose: Tensor, fx: Tensor | float, focal_px: float) -> Tensor:
    """Undo canonical_pose_to_metric: motions (..., 6) of the real camera as the network is to
    give them.
    """
    if focal_px == 0:
        return pose
    # swapping the two focal lengths turns s into 1 / s
    fx = torch.as_tensor(fx, dtype=pose.dtype, device=pose.device)
    return canonical_pose_to_metric(pose, focal_px**2 / fx, focal_px)


def resize_intrinsics(K: Tensor, scale_x: float, scale_y: float) -> Tensor:
    """Return K (B,3,3) of the picture resized by (scale_x, scale_y): cx' = (cx + 0.5) s - 0.5."""
    half = torch.tensor([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]]).to(K)
    scale = torch.diag(torch.tensor([scale_x, scale_y, 1.0])).to(K)
    with torch.autocast(K.device.type, enabled=False):
        return torch.linalg.inv(half) @ scale @ half @ K


def pixel_grid(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return the coordinates u (1,1,1,W) and v (1,1,H,1) of all pixel centres, of the type and
    place of `like`.
    """
    u = torch.arange(width, dtype=like.dtype, device=like.device).view(1, 1, 1, width)
    v = torch.arange(height, dtype=like.dtype, device=like.device).view(1, 1, height, 1)
    return u, v


def unproject(depth: Tensor, K: Tensor) -> Tensor:
    """Lift every pixel: depth (B,1,H,W) m along z, K (B,3,3).

    Returns points (B,3,H,W) m, optical axes.
    """
    u, v = pixel_grid(*depth.shape[-2:], like=depth)
    fx, fy, cx, cy = _entries(K)
    return torch.cat([(u - cx) / fx * depth, (v - cy) / fy * depth, depth], 1)


def project(points: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """Project points (B,3,H,W) m of a camera with K (B,3,3): u = fx x / z + cx, v = fy y / z + cy.

    Returns pixels (B,2,H,W) as (u, v) and in_front (B,1,H,W) bool; pixels that are not in front
    mean nothing.
    """
    x, y, z = points.split(1, 1)
    in_front = z > _NEAR_M
    inverse_z = 1 / torch.where(in_front, z, torch.ones_like(z))
    fx, fy, cx, cy = _entries(K)
    return torch.cat([fx * x * inverse_z + cx, fy * y * inverse_z + cy], 1), in_front


def sample(image: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Read image (B,C,H,W) bilinearly at pixels (B,2,h,w) = (u, v) of it.

    Returns sampled (B,C,h,w) and inside (B,1,h,w) bool: the pixel lies in the picture. Outside, the
    border repeats.
    """
    height, width = image.shape[-2:]
    size = torch.tensor([width, height], dtype=pixels.dtype, device=pixels.device)
    grid = (2 * pixels.permute(0, 2, 3, 1) + 1) / size - 1
    inside = (grid.detach().abs() <= 1).all(-1)[:, None]
    sampled = F.grid_sample(
        image.to(grid), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled, inside


def warp(
    source: Tensor,
    depth: Tensor,
    source_T_target: Tensor,
    K_target: Tensor,
    K_source: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Show what the target camera would see, read from the source picture (Zhou 2017, eq. 2;
    Jaderberg 2015).

    source (B,C,h,w); depth (B,1,H,W) m of the target, unknown where NaN or not above 0;
    source_T_target (B,4,4); K_target, K_source (B,3,3), one for both where the second is None.
    Returns sampled (B,C,H,W) and valid (B,1,H,W) bool: depth known, in front of the source camera
    and in its picture. Gradients reach source, depth and pose; they are finite where valid is false
    too. What the source does not see for an occlusion is not marked.
    """
    depth = _at_least_float32(depth)
    known = (depth > 0) & depth.isfinite()
    source_T_target = source_T_target.to(depth)
    with torch.autocast(depth.device.type, enabled=False):
        points = unproject(torch.where(known, depth, torch.ones_like(depth)), K_target.to(depth))
        turned = source_T_target[:, :3, :3] @ points.flatten(2) + source_T_target[:, :3, 3:]
        K = (K_target if K_source is None else K_source).to(depth)
        pixels, in_front = project(turned.view_as(points), K)
        sampled, inside = sample(source, pixels)
    return sampled, known & in_front & inside


def warp_disparity(image: Tensor, disparity: Tensor, sign: int) -> tuple[Tensor, Tensor]:
    """Read image (B,C,H,W) at u + sign * disparity, (B,1,H,W) px of the picture that is to be
    shown.

    sign -1 shows the left picture, reading the right one at u - d with the disparity of the left;
    +1 the right one. Returns sampled (B,C,H,W) and valid (B,1,H,W) bool: inside the picture. Raises
    InputError for another sign.
    """
    if sign not in (-1, 1):
        raise InputError(f"expected sign -1 (shows the left) or 1 (shows the right), got {sign}")
    disparity = _at_least_float32(disparity)
    u, v = pixel_grid(*disparity.shape[-2:], like=disparity)
    with torch.autocast(disparity.device.type, enabled=False):
        return sample(image, torch.cat([u + sign * disparity, v.expand_as(disparity)], 1))


def _entries(K: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """fx, fy, cx, cy, each (B,1,1,1)."""
    return tuple(K[:, i, j].view(-1, 1, 1, 1) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))


def _at_least_float32(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
