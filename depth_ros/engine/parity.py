"""The parity gate: does a converted or compiled network still answer as ONNX Runtime does in
float32?
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from depth_ros.core.camera import StereoRig
from depth_ros.core.errors import EngineError

from .base import Runnable
from .matching import matched_prior
from .spec import ModelSpec
from .tolerances import QUANTITIES, TOLERANCES, Quantity

_RANGE_PX = 64
_CURES = {
    "fp32": (
        "another version of TensorRT or of the driver builds another engine; ONNX Runtime "
        "answers as well"
    ),
    "fp16": "build with precision fp32",
    "int8": (
        "calibrate on frames of this camera (depth-ros build --precision int8 --calibrate "
        "BAG), or take fp16"
    ),
}


class ParityError(EngineError):
    """An engine that ran, and answers otherwise than ONNX Runtime."""


@dataclass(frozen=True)
class Difference:
    """How far an output is off, each the worst over frames; see tolerances. max: of a single
    pixel.
    """

    mean: float = 0.0
    p99: float = 0.0
    line: float = 0.0
    share: float = 0.0
    max: float = 0.0

    def worst(self, other: Difference) -> Difference:
        """Of each figure the larger one."""
        others = asdict(other)
        larger = {name: max(value, others[name]) for name, value in asdict(self).items()}
        return Difference(**larger)


def check_parity(engine, reference: Runnable, precision: str, frames: Iterable[dict]) -> dict:
    """Compare every output of an engine with a reference on frames.

    Args:
        engine: Anything with run(inputs) -> outputs.
        reference: What is right: the network, or the whole step, in float32.
        precision: "fp32", "fp16" or "int8": which tolerances hold.
        frames: Input arrays by name, at least one.

    Returns:
        The outcome as JSON takes it: of the first output "output", "mean", "max", "limit" and
        "unit"; "frames", their number; "outputs": the figures of a Difference by output;
        "tolerances": by which version it was judged.

    Raises:
        ParityError: Where an output differs by more than its tolerance, is not finite where the
        reference is, or
            the other way round; where nothing is finite, which proves nothing; where points of the
            whole step are not what the reference packs of its metres. The message names the cure.
    """
    found: dict[str, Difference] = {}
    count = 0
    for inputs in frames:
        count += 1
        wanted = reference.run(inputs)
        got = engine.run(inputs)
        if "points" in wanted:
            _check_points(got["points"], wanted["points"], got["metres"], precision)
        pairs = _comparable(got, wanted, inputs, reference.spec, precision)
        for name, (a, b) in pairs.items():
            difference = _difference(name, a, b, precision)
            found[name] = found.get(name, Difference()).worst(difference)
    if not count:
        raise ParityError("parity: expected frames to compare on, got a comparison over 0 frames")
    for name, difference in found.items():
        _check(name, difference, precision, count)
    first = next(iter(found))
    quantity = QUANTITIES[first]
    return {
        "output": first,
        "mean": found[first].mean,
        "max": found[first].max,
        "limit": quantity.by_precision[precision].mean,
        "unit": quantity.unit,
        "frames": count,
        "outputs": {name: asdict(difference) for name, difference in found.items()},
        "tolerances": TOLERANCES,
    }


def refusal(error: ParityError) -> dict:
    """What is kept of a refusal beside an engine."""
    return {"refused": str(error), "tolerances": TOLERANCES}


def still_valid(outcome: dict | None) -> dict:
    """A kept outcome, or an empty one where it was judged by other tolerances than today's."""
    return outcome if outcome and outcome.get("tolerances") == TOLERANCES else {}


def _comparable(got: dict, wanted: dict, inputs: dict, spec: ModelSpec, precision: str) -> dict:
    """Pairs of answers by the quantity that they are: outputs of the network; of the whole step,
    those it came from.
    """
    if "metres" not in wanted:
        return {name: (got[name], wanted[name]) for name in spec.outputs}
    for name in ("metres", "sigma_m"):
        if name in wanted and got[name].shape != wanted[name].shape:
            _refuse(
                f"expected {name} of shape {wanted[name].shape}, got {got[name].shape}", precision
            )
    camera = inputs["camera"]
    pairs = {}
    if spec.task == "stereo":
        sigma_name = "log_sigma"
        pairs["disparity"] = (
            _disparity(got["metres"], camera),
            _disparity(wanted["metres"], camera),
        )
    else:
        sigma_name = "sigma_m"
        pairs["metres"] = (got["metres"], wanted["metres"])
    if "sigma_m" in wanted:
        # Where metres are unknown, so is sigma: the metres are judged for that.
        known = np.isfinite(got["metres"]) & np.isfinite(wanted["metres"])
        pairs[sigma_name] = (
            np.where(known, _log_sigma(got, camera, spec.task), 0),
            np.where(known, _log_sigma(wanted, camera, spec.task), 0),
        )
    return pairs


def _disparity(metres: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Metres as pixels of disparity, where the unknown is as far as can be: in the sky a hundredth
    of a pixel decides between 10 km and nothing, and neither is an error."""
    with np.errstate(divide="ignore"):
        return np.nan_to_num(camera[0] * camera[4] / metres, nan=0.0)


def _log_sigma(answer: dict, camera: np.ndarray, task: str) -> np.ndarray:
    """The logarithm that a network answered, of sigma_z = z^2 / (fx b) sigma_d, or z sigma_rel."""
    metres = answer["metres"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = answer["sigma_m"] / metres
        if task == "stereo":
            relative = relative * (camera[0] * camera[4] / metres)
        return np.log(relative)


def _difference(name: str, got: np.ndarray, wanted: np.ndarray, precision: str) -> Difference:
    """The figures of one output on one frame."""
    known = np.isfinite(wanted)
    if got.shape != wanted.shape or not np.array_equal(np.isfinite(got), known) or not known.any():
        finite = f"{np.isfinite(got).mean():.1%} finite against {known.mean():.1%}"
        words = f"expected {name} of shape {wanted.shape}, finite where ONNX Runtime is"
        _refuse(f"{words}, got {got.shape}, {finite}", precision)
    quantity = QUANTITIES[name]
    off: np.ndarray = np.zeros(wanted.shape)
    off[known] = np.abs(got[known].astype(np.float64) - wanted[known])
    if quantity.relative:
        off[known] /= np.maximum(np.abs(wanted[known]), np.finfo(np.float32).tiny)
    rows_and_columns = off.reshape(off.size // off.shape[-1], off.shape[-1])
    gross = quantity.by_precision[precision].gross
    return Difference(
        mean=float(off[known].mean()),
        p99=float(np.percentile(off[known], 99)),
        line=float(max(rows_and_columns.mean(0).max(), rows_and_columns.mean(1).max())),
        share=float((off[known] > gross).mean()),
        max=float(off.max()),
    )


def _check(name: str, difference: Difference, precision: str, count: int) -> None:
    """Refuse an output that is off by more than it may."""
    quantity: Quantity = QUANTITIES[name]
    limit = quantity.by_precision[precision]
    unit = quantity.unit
    checks = {
        "mean": f"{name} within {limit.mean} {unit} of ONNX Runtime on average",
        "p99": f"{name} within {limit.p99} {unit} of ONNX Runtime at 99 % of the pixels",
        "line": f"{name} within {limit.line} {unit} of ONNX Runtime in each row and column",
        "share": f"{name} off by {limit.gross} {unit} at {limit.share:.2%} of the pixels at most",
    }
    figures = asdict(difference)
    limits = asdict(limit)
    for check, expected in checks.items():
        if not figures[check] <= limits[check]:  # so that NaN is refused as well
            _refuse(
                f"expected {expected} ({precision}), got {figures[check]:.4g} over {count} frames",
                precision,
            )


def _refuse(words: str, precision: str) -> None:
    """Raise ParityError with the cure."""
    raise ParityError(f"parity: {words}; cure: {_CURES[precision]}")


def _check_points(got: np.ndarray, wanted: np.ndarray, metres: np.ndarray, precision: str) -> None:
    """Refuse points of another depth than the metres beside them, other rays or other colours."""
    same_metres = np.array_equal(got[..., 2], metres, equal_nan=True)
    rays = _rays(got)
    rays_wanted = _rays(wanted)
    both = np.isfinite(rays).all(-1) & np.isfinite(rays_wanted).all(-1)
    same_rays = np.allclose(rays[both], rays_wanted[both], rtol=1e-4, atol=1e-5)
    same_colours = np.array_equal(_colours(got), _colours(wanted))
    if not (same_metres and same_rays and same_colours):
        _refuse(
            "expected points with the metres, rays and colours of the image, got others", precision
        )


def _rays(points: np.ndarray) -> np.ndarray:
    """x / z and y / z of points (..., 4)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return points[..., :2] / points[..., 2:3]


def _colours(points: np.ndarray) -> np.ndarray:
    """0xRRGGBB of points (..., 4), whose last number carries it in its bits."""
    return points.view(np.uint32)[..., 3] & 0xFFFFFF


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
        images = []
        for side in (np.eye(4), step):
            rgb = render(clip_scene(), rig.left, clip_pose(number) @ side)["rgb"]
            images.append(np.rint(255 * rgb).astype(np.uint8))
        pairs.append((rig, images[0], images[1]))
    return pairs


def arrays_of(spec: ModelSpec, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """Two (H, W, 3) uint8 RGB images, already of the size of the tensors, as the inputs that a
    spec names.
    """
    earlier = _tensor(spec, first)
    later = _tensor(spec, second)
    arrays = {
        "left": earlier,
        "right": later,
        "image": earlier,
        "first": earlier,
        "second": later,
        "max_disparity_px": np.array([_RANGE_PX], np.float32),
    }
    if "prior" in spec.inputs:
        arrays["prior"] = matched_prior(first, second, _RANGE_PX, spec.prior_scale)[None]
    return {name: np.ascontiguousarray(arrays[name]) for name in spec.inputs}


def _tensor(spec: ModelSpec, image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB as (1, 3, H, W) float32, normalised as the spec says."""
    mean = np.array(spec.mean, np.float32)[:, None, None]
    std = np.array(spec.std, np.float32)[:, None, None]
    return ((image.transpose(2, 0, 1) - mean) / std)[None].astype(np.float32)
