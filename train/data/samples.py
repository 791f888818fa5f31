"""Views of a recording as training samples: a target, its sources, and how the cameras between
them lie.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.utils.data import Dataset

from depth_ros.core.errors import InputError
from train.data.augment import (
    Look,
    Window,
    cover,
    mirror_camera,
    mirror_image,
    mirror_pose,
    random_look,
)
from train.data.view import Frames, View

_MOST_ZOOM = 1.4
MIRRORS = ("sign", "swap", "none")


class Samples(Dataset):
    """The frames whose neighbours at every offset exist, as dicts of float32 tensors of height x
    width pixels.

    Keys, always: image (3,H,W) in [0,1]; image_aug, the same in other colours: what a network sees,
    while losses compare `image`; K (3,3) px. With offsets: sources, sources_aug (S,3,H,W) in their
    order. With stereo: right, right_aug (3,H,W); right_T_target (4,4); baseline_m (). With truth,
    where the recording has it: depth (1,H,W) m, NaN unknown; source_T_target (S,4,4), NaN where a
    pose is unknown. Every sample has the keys of the first.

    augment: a random crop of the picture made 1 to 1.4 times larger than needed, mirrored half the
    time, in other colours; without it the crop is central. mirror:
    "sign" keeps the left picture the target, so that the right one lies at its left; "swap" takes
    the right picture for the target, so that the other is always at its right, as a network with a
    left and a right output needs it (the depth is then unknown); "none". A key is an index, or
    (index, epoch): other random numbers each epoch, the same for the same key. Raises InputError
    where nothing is left to train on, or stereo is asked of a mono recording.
    """

    def __init__(
        self,
        frames: Frames,
        height: int,
        width: int,
        offsets: tuple[int, ...] = (),
        stereo: bool = False,
        augment: bool = True,
        seed: int = 0,
        mirror: str = "sign",
    ):
        if mirror not in MIRRORS:
            raise InputError(f"expected mirror out of {MIRRORS}, got {mirror!r}")
        self.frames = frames
        self.height = height
        self.width = width
        self.offsets = tuple(offsets)
        self.stereo = stereo
        self.augment = augment
        self.seed = seed
        self.mirror = mirror
        chains = (
            (i, *(frames.neighbour(i, step) for step in self.offsets)) for i in range(len(frames))
        )
        self.index = [chain for chain in chains if None not in chain]
        if not self.index:
            raise InputError(
                f"expected frames with neighbours at {self.offsets}, got none of {len(frames)}"
            )
        views = [frames[i] for i in self.index[0]]
        if stereo and views[0].right is None:
            raise InputError(
                f"expected a stereo recording, got only one camera in {views[0].name or 'it'}"
            )
        self.has_depth = views[0].depth is not None or views[0].disparity is not None
        self.has_poses = bool(offsets) and all(view.world_T_camera is not None for view in views)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        number, epoch = key if isinstance(key, tuple) else (key, 0)
        rng = np.random.default_rng((self.seed, number, epoch))
        views = [self.frames[i] for i in self.index[number]]
        zoom = 1.0
        at = (0.5, 0.5)
        if self.augment:
            zoom = rng.uniform(1, _MOST_ZOOM)
            at = rng.random(2)
        window = cover(views[0].camera, self.height, self.width, zoom, at)
        views = [cut(view, window, self.stereo) for view in views]
        mirrored = self.augment and self.mirror != "none" and rng.random() < 0.5
        if mirrored:
            views = [
                mirrored_view(view, swap=self.stereo and self.mirror == "swap") for view in views
            ]
        look = random_look(rng) if self.augment else None
        return self._tensors(views, look, rng)

    def _tensors(self, views: list[View], look: Look | None, rng) -> dict[str, torch.Tensor]:
        target = views[0]
        sources = views[1:]
        sample = {"image": _picture(target.image), "image_aug": _seen(target.image, look, rng)}
        sample["K"] = _floats(target.camera.K)
        if sources:
            sample["sources"] = torch.stack([_picture(view.image) for view in sources])
            sample["sources_aug"] = torch.stack([_seen(view.image, look, rng) for view in sources])
        if self.stereo:
            sample |= {"right": _picture(target.right), "right_aug": _seen(target.right, look, rng)}
            sample |= {
                "right_T_target": _floats(right_T_target(target)),
                "baseline_m": _floats(abs(target.baseline_m)),
            }
        if self.has_depth:
            sample["depth"] = _floats(depth_of(target))[None]
        if self.has_poses:
            sample["source_T_target"] = _floats(
                np.stack([source_T_target(view, target) for view in sources])
            )
        return sample


def cut(view: View, window: Window, stereo: bool) -> View:
    """Cut the window out of a view; raises InputError where its pictures are not of one size."""
    size = (view.camera.height, view.camera.width)
    pictures = [view.image, view.right if stereo else None, view.depth, view.disparity]
    if any(picture is not None and picture.shape[:2] != size for picture in pictures):
        shapes = [picture.shape[:2] for picture in pictures if picture is not None]
        raise InputError(
            f"{view.name}: expected pictures of the camera's size {size}, got {shapes}"
        )
    if view.depth is not None or view.disparity is not None:
        depth = depth_of(view)
    else:
        depth = None
    return replace(
        view,
        image=window.image(view.image),
        camera=window.camera(view.camera),
        disparity=None,
        right=window.image(view.right) if stereo else None,
        depth=None if depth is None else window.depth(depth),
    )


def mirrored_view(view: View, swap: bool = False) -> View:
    """Return the view in a mirror: columns, camera and pose; the right camera then lies at the left
    (baseline below 0).

    swap: take the right picture for the target, which puts the other one back at its right; its
    depth is unknown.
    """
    image = view.image
    right = view.right
    depth = view.depth
    pose = view.world_T_camera
    if swap:
        image = view.right
        right = view.image
        depth = None
        if pose is not None:
            pose = pose @ np.linalg.inv(right_T_target(view))
    return replace(
        view,
        image=mirror_image(image),
        camera=mirror_camera(view.camera),
        right=None if right is None else mirror_image(right),
        depth=None if depth is None else mirror_image(depth),
        baseline_m=None if view.baseline_m is None else view.baseline_m * (1 if swap else -1),
        world_T_camera=None if pose is None else mirror_pose(pose),
    )


def right_T_target(view: View) -> np.ndarray:
    """Return (4,4): points of the target in the right camera, x_right = x - baseline_m."""
    pose = np.eye(4)
    pose[0, 3] = -view.baseline_m
    return pose


def source_T_target(source: View, target: View) -> np.ndarray:
    """Return (4,4) of two views of one world; NaN where a pose is unknown."""
    if source.world_T_camera is None or target.world_T_camera is None:
        return np.full((4, 4), np.nan)
    return np.linalg.inv(source.world_T_camera) @ target.world_T_camera


def depth_of(view: View) -> np.ndarray:
    """Return (H,W) f32 m of a view, from its disparity where that is what is known; NaN where
    nothing is.
    """
    if view.depth is not None:
        return np.asarray(view.depth, np.float32)
    if view.disparity is None or not view.baseline_m:
        return np.full(view.image.shape[:2], np.nan, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = view.camera.fx * view.baseline_m / view.disparity
    return np.where(view.disparity > 0, depth, np.nan).astype(np.float32)


def _floats(values) -> torch.Tensor:
    return torch.from_numpy(np.array(values, np.float32))


def _picture(image: np.ndarray) -> torch.Tensor:
    """(H,W,3) u8 as (3,H,W) in [0,1]."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def _seen(image: np.ndarray, look: Look | None, rng) -> torch.Tensor:
    """The same in other colours."""
    if look is None:
        return _picture(image)
    return torch.from_numpy(np.ascontiguousarray(look.apply(image, rng).transpose(2, 0, 1)))
