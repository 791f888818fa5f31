"""Report whether a recording can teach a network, and what to record instead where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import DepthRosError, InputError
from depth_ros.recordings.reader import is_bag
from depth_ros.recordings.requested_topics import Asked
from train.data.datasets.bag import BagFrames
from train.finetune.bag_measures import Motion, exposure, level, motion

LEAST_FRAMES = 20
FEW_FRAMES = 300
_STEPS = (1, 2, 4, 8, 16)
_LOOKS = 12  # pairs and pictures that are measured, spread evenly
_STILL_PX, _PARALLAX_PX = 0.5, 1.0  # of a picture 640 px wide
_TURN_PX = 0.5
_TURN_SHARE = 0.15
_MOST_USELESS = 0.7
_LEAST_TRACKED = 0.25
_MOST_DARK = 0.6
_MOST_BRIGHT = 0.4
_MOST_ROWS_PX = 1.5
_LEAST_LEFT = 0.5
_LEAST_MATCHES = 20


@dataclass(frozen=True, eq=False)
class BagReport:
    """What was measured; lengths in px are those of a picture 640 px wide.

    frames, rate_hz; camera of the rectified left picture; baseline_m, None in mono. step: frames
    from one to the next picture of a sample, so that they differ enough. tracked: share of corners
    found again one frame later. flow_px, parallax_px: medians at `step` (parallax: motion of
    corners that no turn of the camera explains). still, turning: shares of pairs without motion,
    and with turns only. dark, bright: shares of pixels. rows_px: by how much the rows of a pair
    differ, None in mono. drops: messages that cannot be used. warnings: sentences. refusals:
    errors, each with what was expected, what came and what to record; a recording with any cannot
    be trained on.
    """

    path: Path
    frames: int
    rate_hz: float
    camera: Camera | None
    baseline_m: float | None
    step: int
    tracked: float
    flow_px: float
    parallax_px: float
    still: float
    turning: float
    dark: float
    bright: float
    rows_px: float | None
    drops: dict[str, int]
    warnings: tuple[str, ...]
    refusals: tuple[InputError, ...]

    def __str__(self) -> str:
        if self.baseline_m is None:
            rig = "mono"
        else:
            rig = f"stereo, baseline {self.baseline_m:.3f} m"
        if self.camera:
            size = f", {self.camera.width}x{self.camera.height} px, fx {self.camera.fx:.0f} px"
        else:
            size = ""
        lines = [
            f"{self.path.name}: {self.frames} frames at {self.rate_hz:.1f} Hz, {rig}{size}",
            f"  every {self.step}. frame: flow {self.flow_px:.1f} px, parallax "
            f"{self.parallax_px:.1f} px; "
            f"still {self.still:.0%}, turning on the spot {self.turning:.0%}; corners kept "
            f"{self.tracked:.0%}",
            f"  dark {self.dark:.0%}, overexposed {self.bright:.0%}"
            + (
                ""
                if self.rows_px is None
                else f"; rows of the pair differ by {self.rows_px:.1f} px"
            ),
        ]
        return "\n".join(
            lines
            + [f"  note: {text}" for text in self.warnings]
            + [f"  NO: {e}" for e in self.refusals]
        )


def check_bag(
    path: str | Path, frames: BagFrames | None = None, asked: Asked | None = None
) -> BagReport:
    """Measure a recording by a sample of its frames. A bag that cannot be opened at all raises
    InputError.

    asked: topics that the user named.

    A camera that is not calibrated is a refusal in the report, like everything that another
    recording would mend.
    """
    path = Path(path)
    try:
        frames = frames or BagFrames(path, asked=asked)
    except (DepthRosError, ValueError) as error:
        if not path.exists() or not is_bag(path) or "readable rosbag2" in str(error):
            raise
        return _unusable(
            path,
            InputError(f"{error}. Record camera_info of a calibrated camera beside its images"),
        )
    try:
        return _measured(path, frames)
    except DepthRosError as error:
        return _unusable(
            path, InputError(f"{error}. Record images whose size and encoding camera_info fits")
        )


def _measured(path: Path, frames: BagFrames) -> BagReport:
    """The report of a bag whose pictures can be read."""
    step, moves, tracked = _steps(frames)
    views = [frames[i] for i in _spread(len(frames))]
    light = np.median([exposure(view.image) for view in views], axis=0)
    levels = [level(view.image, view.right) for view in views[::3] if view.right is not None]
    gaps = np.diff(frames.stamps_ns)
    values = {
        "frames": len(frames),
        "rate_hz": 1e9 / float(np.median(gaps)) if len(gaps) else 0.0,
        "camera": frames.camera,
        "baseline_m": frames.baseline_m,
        "step": step,
        "tracked": tracked,
        "flow_px": _median([move.flow_px for move in moves]),
        "parallax_px": _median([move.parallax_px for move in moves]),
        "still": _share(moves, _is_still),
        "turning": _share(moves, _is_turn),
        "dark": float(light[0]),
        "bright": float(light[1]),
        "rows_px": abs(_median([rows for _, rows, _ in levels])) if levels else None,
        "drops": dict(frames.drops),
    }
    refusals = [*_motion_refusals(values), *_picture_refusals(values, levels)]
    named = tuple(InputError(f"{path.name}: {text}") for text in refusals)
    return BagReport(path, **values, warnings=tuple(_warnings(values, frames)), refusals=named)


def _steps(frames: BagFrames) -> tuple[int, list[Motion], float]:
    """The least step between frames with enough parallax, or the longest there is; its motions;
    tracked at step 1.
    """
    step = 1
    moves = [motion(*pair) for pair in _pairs(frames, 1)]
    tracked = _median([move.tracked for move in moves])
    for wider in _STEPS[1:]:
        if (
            tracked < _LEAST_TRACKED
            or _median([move.parallax_px for move in moves]) >= _PARALLAX_PX
        ):
            break
        if found := [motion(*pair) for pair in _pairs(frames, wider)]:
            step = wider
            moves = found
    return step, moves, tracked


def _motion_refusals(v: dict):
    """Sentences about frames and motion that rule a recording out."""
    if v["frames"] < LEAST_FRAMES:
        yield (
            f"expected at least {LEAST_FRAMES} frames, got {v['frames']}. Record a minute or "
            "more while driving"
        )
    if v["tracked"] < _LEAST_TRACKED:
        yield (
            "expected consecutive frames that show the same things, got "
            f"{v['tracked']:.0%} of corners found again."
            " Record every frame, at 10 Hz or more, in light that needs no long exposure"
        )
    elif v["still"] > _MOST_USELESS:
        yield (
            f"expected a moving camera, got one that stands still in {v['still']:.0%} of "
            "the recording: it would "
            "learn one picture by heart. Record while driving through the places where it "
            "shall work"
        )
    elif v["baseline_m"] is None and v["still"] + v["turning"] > _MOST_USELESS:
        yield (
            f"expected a camera that changes its place, got {v['turning']:.0%} turns on "
            "the spot and "
            f"{v['still']:.0%} rest: they say nothing about depth. Record while driving, "
            "or use a pair"
        )


def _picture_refusals(v: dict, levels: list):
    """Sentences about light and the pair that rule a recording out."""
    if v["dark"] > _MOST_DARK or v["bright"] > _MOST_BRIGHT:
        yield (
            f"expected exposed pictures, got {v['dark']:.0%} black and {v['bright']:.0%} "
            "white pixels. Record with "
            "automatic exposure, in the light of the robot's work"
        )
    if not levels:
        return
    if np.median([matches for matches, _, _ in levels]) < _LEAST_MATCHES:
        yield (
            "expected two cameras that see the same, got pairs without corners in common. "
            "Uncover both, check that "
            "they are triggered together"
        )
    elif v["rows_px"] > _MOST_ROWS_PX:
        yield (
            f"expected rectified pairs, got rows that differ by {v['rows_px']:.1f} px. "
            "Calibrate the pair anew, "
            "then record"
        )
    elif _median([share for _, _, share in levels]) < _LEAST_LEFT:
        yield (
            "expected things further left in the right picture, got them further right: "
            "left and right are swapped."
            " Swap the topics, then record"
        )


def _warnings(v: dict, frames: BagFrames):
    """Sentences about what weakens a recording."""
    if v["frames"] < FEW_FRAMES:
        yield f"{v['frames']} frames are few: the network will know this place and hardly others"
    if 0.3 < v["still"] <= _MOST_USELESS:
        yield f"{v['still']:.0%} of the recording stands still"
    for cause, count in v["drops"].items():
        yield f"{count} messages dropped: {cause} ({frames.reasons.get(cause, '')})"


def _pairs(frames: BagFrames, step: int):
    """Yield (picture, picture `step` later, camera), spread over the recording."""
    linked = [i for i in range(len(frames)) if frames.neighbour(i, step) is not None]
    for place in _spread(len(linked)):
        view = frames[linked[place]]
        later = frames[frames.neighbour(linked[place], step)]
        if view.image.shape == later.image.shape:
            yield view.image, later.image, view.camera


def _spread(count: int) -> list[int]:
    """At most _LOOKS indices of `count`, evenly."""
    if count:
        return sorted({int(i) for i in np.linspace(0, count - 1, min(count, _LOOKS))})
    return []


def _is_still(move: Motion) -> bool:
    return move.flow_px < _STILL_PX


def _is_turn(move: Motion) -> bool:
    return not _is_still(move) and move.parallax_px < min(_TURN_PX, _TURN_SHARE * move.flow_px)


def _share(moves: list[Motion], kind) -> float:
    if moves:
        return float(np.mean([kind(move) for move in moves]))
    return 0.0


def _median(values) -> float:
    values = np.array(values, float)
    if np.isfinite(values).any():
        return float(np.median(values[np.isfinite(values)]))
    return 0.0


def _unusable(path: Path, error: InputError) -> BagReport:
    """The report of a bag of which nothing can be measured."""
    return BagReport(path, 0, 0.0, None, None, 1, *(0.0,) * 7, None, {}, (), (error,))
