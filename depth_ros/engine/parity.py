"""The parity gate: does a converted or compiled network still say what ONNX Runtime says?"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import EngineError

from .base import Runnable
from .matching import matched_prior
from .spec import ModelSpec

# First output: largest mean difference by precision, and its unit. An engine that is wrong is wrong
# by far more.
LIMITS = {
    "disparity": ({"fp32": 0.01, "fp16": 0.05, "int8": 0.5}, "px"),
    "depth": ({"fp32": 1e-3, "fp16": 0.02, "int8": 0.1}, "of the depth"),
    "metres": ({"fp32": 1e-3, "fp16": 0.02, "int8": 0.1}, "of the depth"),  # of the whole step
    "pose": ({"fp32": 1e-4, "fp16": 2e-3, "int8": 0.01}, "rad and m"),
}
_RANGE_PX = 64


class ParityError(EngineError):
    """An engine that ran, and answers otherwise than ONNX Runtime."""


def check_parity(engine, reference: Runnable, precision: str, frames: Iterable[dict]) -> dict:
    """Compare an engine with a reference on frames; raises ParityError where it differs too much.

    engine: anything with run(inputs) -> outputs. frames: input arrays by name, at least one. A mean
    over 0 finite pixels, or NaN where the reference has none, fails too; so do points of the whole
    step that are not what the reference packs of its metres. Returns the outcome as JSON takes it.
    """
    name = getattr(reference, "outputs", reference.spec.outputs)[0]
    judged = "disparity" if name == "metres" and reference.spec.task == "stereo" else name
    limits, unit = LIMITS[judged]
    worst, largest, count = 0.0, 0.0, 0
    for inputs in frames:
        count += 1
        all_wanted, all_got = reference.run(inputs), engine.run(inputs)
        wanted, got = all_wanted[name], all_got[name]
        if judged != name:  # of the whole step in stereo
            wanted, got = (_disparity(metres, inputs["camera"]) for metres in (wanted, got))
        same = got.shape == wanted.shape and np.array_equal(np.isfinite(got), np.isfinite(wanted))
        if not same or not np.isfinite(wanted).any():
            raise ParityError(
                f"parity: expected finite values of shape {wanted.shape} where ONNX "
                "Runtime has them, "
                f"got {got.shape}, {np.isfinite(got).mean():.0%} finite"
            )
        off = np.abs(got - wanted) / (np.abs(wanted) if judged in ("depth", "metres") else 1.0)
        off = off[np.isfinite(wanted)]
        if "points" in all_wanted:
            _check_points(all_got["points"], all_wanted["points"], all_got[name])
        worst, largest = max(worst, float(off.mean())), max(largest, float(off.max()))
    if not count or not worst <= limits[precision]:
        raise ParityError(
            f"parity: expected {judged} within {limits[precision]} {unit} of ONNX Runtime "
            f"on average ({precision}), "
            f"got {worst:.4g} over {count} frames"
        )
    return {
        "output": judged,
        "mean": worst,
        "max": largest,
        "limit": limits[precision],
        "unit": unit,
        "frames": count,
    }


def _disparity(metres: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Metres as pixels of disparity, where the unknown is as far as can be: in the sky a hundredth
    of a pixel decides between 10 km and nothing, and neither is an error."""
    with np.errstate(divide="ignore"):
        return np.nan_to_num(camera[0] * camera[4] / metres, nan=0.0)


def _check_points(got: np.ndarray, wanted: np.ndarray, metres: np.ndarray) -> None:
    """Refuse points of another depth than the metres beside them, other rays or other colours."""
    same = np.array_equal(got[..., 2], metres, equal_nan=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        rays, rays_wanted = (points[..., :2] / points[..., 2:3] for points in (got, wanted))
    both = np.isfinite(rays).all(-1) & np.isfinite(rays_wanted).all(-1)
    same = same and np.allclose(rays[both], rays_wanted[both], rtol=1e-4, atol=1e-5)
    colours, colours_wanted = (
        points.view(np.uint32)[..., 3] & 0xFFFFFF for points in (got, wanted)
    )
    if not (same and np.array_equal(colours, colours_wanted)):
        raise ParityError(
            "parity: expected points with the metres, rays and colours of the image, got others"
        )


def rendered_frames(spec: ModelSpec, size: tuple[int, int]) -> list[dict[str, np.ndarray]]:
    """Two frames of the procedural room as input arrays of a model, (height, width) as asked."""
    return [arrays_of(spec, *pair) for _, *pair in rendered_pairs(size)]


def rendered_pairs(size: tuple[int, int]) -> list[tuple[StereoRig, np.ndarray, np.ndarray]]:
    """Two pairs of the procedural room: the rig, left and right (H, W, 3) uint8 RGB, (height,
    width) as asked.
    """
    # Here, because a robot that builds no engine need not have what renders (array-api-compat)
    from depth_ros.synthetic.renderer import render
    from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene

    rig = clip_rig(*size)
    step = np.eye(4)
    step[0, 3] = rig.baseline_m
    pairs = []
    for number in (0, 9):
        poses = [clip_pose(number) @ side for side in (np.eye(4), step)]
        left, right = (
            np.rint(255 * render(clip_scene(), rig.left, pose)["rgb"]).astype(np.uint8)
            for pose in poses
        )
        pairs.append((rig, left, right))
    return pairs


def arrays_of(spec: ModelSpec, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """Two (H, W, 3) uint8 RGB images, already of the size of the tensors, as the inputs that a
    spec names.
    """
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (spec.mean, spec.std))
    pair = [
        ((image.transpose(2, 0, 1) - mean) / std)[None].astype(np.float32)
        for image in (first, second)
    ]
    prior = (
        matched_prior(first, second, _RANGE_PX, spec.prior_scale)[None]
        if "prior" in spec.inputs
        else None
    )
    arrays = {
        "left": pair[0],
        "right": pair[1],
        "image": pair[0],
        "first": pair[0],
        "second": pair[1],
        "prior": prior,
        "max_disparity_px": np.array([_RANGE_PX], np.float32),
    }
    return {name: np.ascontiguousarray(arrays[name]) for name in spec.inputs}
