"""From images and camera_infos to pairs: calibration first, then left meets right. No ROS."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from depth_ros.core.camera import Calibration
from depth_ros.core.sync import StampMatcher
from depth_ros.doctor.causes import JUMPS_BACK
from depth_ros.nodes.health.failures import shorten
from depth_ros.nodes.health.statistics import Statistics

from .calibration import CalibratedImage, CalibrationAttacher
from .frame_decoding import Pair
from .remarks import calibration_remarks, clean_frame

_LATE_NS = 150_000_000  # a side that comes so much later than the other is worth a remark
_RECENT_S = 10.0  # for so long a jump of the stamps is reported


@dataclass(frozen=True)
class Tolerances:
    """Bounds of the pairing, nanoseconds.

    Attributes:
        tolerance_ns: by which the stamps of a pair may differ.
        wait_ns: for how long an image is kept for its partner.
    """

    tolerance_ns: int
    wait_ns: int


@dataclass(frozen=True)
class Matching:
    """The state of the pairing of left and right.

    Attributes:
        drops: images that found no partner, by cause, since the subscriptions stand.
        drops_since_pair: the same since the last pair.
        closest_gap_ns: since the last pair, how near stamps of both sides came to each other;
            None while one of them is silent.
        tolerance_ns: by which the stamps of a pair may differ.
        lag: the stream that arrives last, and by how many nanoseconds.
        wait_ns: for how long an image is kept for its partner.
    """

    drops: dict[str, int]
    drops_since_pair: dict[str, int]
    closest_gap_ns: int | None
    tolerance_ns: int
    lag: tuple[str, int]
    wait_ns: int


class PairAssembler:
    """Attaches calibrations to images, and pairs what is calibrated.

    Args:
        sides: ("left", "right"), in mono ("",).
        tolerances: of the pairing.
        info_topics: of the camera_infos, by side, for the reason of a drop.
        statistics: counts pairs, and those for which no camera_info ever came.
        on_pair: called with each Pair.

    For one thread at a time.
    """

    def __init__(
        self,
        sides: tuple[str, ...],
        tolerances: Tolerances,
        info_topics: dict[str, str],
        statistics: Statistics,
        on_pair: Callable[[Pair], None],
    ):
        self._sides = sides
        self._info_topics = info_topics
        self._statistics = statistics
        self._on_pair = on_pair
        self._attachers = {side: CalibrationAttacher() for side in sides}
        self._matcher = StampMatcher(sides, tolerances.tolerance_ns, tolerances.wait_ns)
        self._drops_at_pair = dict(self._matcher.drops)
        self._info_frame = ""  # frame_id of the last camera_info of the first side
        self._frame_remark = ""
        self._calibrations: tuple[Calibration, ...] = ()
        self._jumps = 0
        self._jump_s = -math.inf

    def add_info(self, side: str, stamp_ns: int, calibration: Calibration, frame_id: str) -> None:
        """Take a camera_info in, and hand over the pair that it may complete."""
        if side == self._sides[0]:
            self._info_frame = frame_id
        self._match(side, self._attachers[side].add_info(stamp_ns, calibration))

    def add_image(self, side: str, image: CalibratedImage) -> None:
        """Take an image in, which has no calibration yet, and hand over the pair that it may
        complete.
        """
        self._match(side, self._attachers[side].add_image(image))

    def waiting_sides(self) -> list[str]:
        """Return the sides of which an image waits for its camera_info."""
        return [side for side in self._sides if self._attachers[side].is_waiting]

    def matching(self) -> Matching:
        """Return the state of the pairing."""
        matcher = self._matcher
        drops = dict(matcher.drops)
        since_pair = {cause: n - self._drops_at_pair[cause] for cause, n in drops.items()}
        return Matching(
            drops,
            since_pair,
            matcher.closest_gap_ns,
            matcher.tolerance_ns,
            matcher.lag(),
            matcher.wait_ns,
        )

    def remarks(self, is_rectified: bool) -> list[str]:
        """List what is odd although pairs are handed over.

        Args:
            is_rectified: what the images are meant to be.
        """
        now_s = time.monotonic()
        if self._matcher.time_jumps != self._jumps:
            self._jumps = self._matcher.time_jumps
            self._jump_s = now_s
        found = []
        if now_s - self._jump_s < _RECENT_S:
            found.append(JUMPS_BACK)
        if self._frame_remark:
            found.append(shorten(self._frame_remark))
        found += calibration_remarks(self._calibrations, is_rectified)
        stream, lag_ns = self._matcher.lag()
        if lag_ns > _LATE_NS:
            found.append(
                f"{stream} images arrive {lag_ns / 1e9:.3f} s after the others of the same stamp"
            )
        return found

    def _match(self, side: str, images: list[CalibratedImage]) -> None:
        """Look for the partners of images that have their calibration."""
        for image in images:
            match = self._matcher.add(side, image.stamp_ns, image, image.size_bytes)
            if match is not None:
                self._drops_at_pair = dict(self._matcher.drops)
                self._hand_over(match)

    def _hand_over(self, match: dict[str, CalibratedImage]) -> None:
        """Hand a pair on; count one for which no camera_info ever came."""
        left = match[self._sides[0]]
        self._statistics.pair(left.stamp_ns)
        missing = [self._info_topics[s] for s in self._sides if match[s].calibration is None]
        if missing:
            reason = f"nothing yet on {' and '.join(missing)}"
            self._statistics.drop("no_camera_info", reason, left.stamp_ns)
            return
        frame_id, self._frame_remark = clean_frame(left.message.header.frame_id, self._info_frame)
        self._calibrations = tuple(match[side].calibration for side in self._sides)
        right = match["right"].message if "right" in match else None
        self._on_pair(Pair(left.stamp_ns, left.message, right, self._calibrations, frame_id))
