"""Chain the motion from frame to frame into a pose, and say how little that pose may be trusted."""

from __future__ import annotations

import numpy as np

from depth_ros.core.axes import body_R_optical
from depth_ros.core.lie import hat, se3_log, so3_exp

from .error_sources import Influence, nothing

LOST_VARIANCE = 1e6  # m^2 and rad^2: nothing is known


def pose_to_matrix(pose: np.ndarray, focal_ratio: float = 1.0) -> np.ndarray:
    """Make the metric transform of a pose network's canonical answer.

    To first order a camera of focal length f that sees what a canonical one of focal_px would see
    moves with the same t_x and t_y, with t_z f / focal_px, turns about x and y by focal_px / f and
    about z alike: the motion field of Longuet-Higgins and Prazdny (1980) with depth scaled by f /
    focal_px. pose: (6,) rotation vector (rad), then translation, first_T_second, optical axes.
    focal_ratio: f / focal_px. Returns (4, 4) float64; translation in the unit of pose.

    >>> pose_to_matrix([0, 0, 0, 1.0, 2.0, 3.0], focal_ratio=2.0)[:3, 3].tolist()
    [1.0, 2.0, 6.0]
    """
    pose = np.asarray(pose, np.float64)
    T = np.eye(4)
    T[:3, :3] = so3_exp(pose[:3] * (1 / focal_ratio, 1 / focal_ratio, 1.0))
    T[:3, 3] = pose[3:] * (1.0, 1.0, focal_ratio)
    return T


def twist(prev_T_curr: np.ndarray, span_s: float) -> np.ndarray:
    """Give the mean velocity (6,) over a step: metres a second, then radians a second, axes of the
    moving camera.

    >>> step = np.eye(4)
    >>> step[2, 3] = 0.5
    >>> twist(step, 0.1).tolist()
    [0.0, 0.0, 5.0, 0.0, 0.0, 0.0]
    """
    return se3_log(prev_T_curr) / span_s


class PoseChain:
    """A pose and its covariance, carried from step to step; odom has body axes (x forward, z up) at
    the first camera.

    odom_T_camera: (4, 4). The error of the pose is (translation, rotation vector) in odom: t_true =
    t + e_t, R_true = exp(e_r) R. Errors of steps are independent but for scale, which is the same
    all the way from the start, and for sources that moved several steps one after the other (a
    point that is seen again).

    >>> chain = PoseChain()
    >>> step = np.eye(4)
    >>> step[2, 3] = 2.0
    >>> chain.advance(step, 0.01 * np.eye(6), scale_sigma=0.1)
    >>> chain.odom_T_camera[:3, 3].tolist(), np.diag(chain.covariance).round(3).tolist()
    ([2.0, 0.0, 0.0], [0.05, 0.01, 0.01, 0.01, 0.01, 0.01])
    """

    def __init__(self):
        self.restarts = 0
        self.reset()

    def reset(
        self, odom_T_camera: np.ndarray | None = None, covariance: np.ndarray | None = None
    ) -> None:
        """Stand at a pose (4, 4), None = the origin, looking along x; covariance (6, 6), None =
        exactly.
        """
        self.odom_T_camera = (
            np.eye(4) if odom_T_camera is None else np.array(odom_T_camera, np.float64)
        )
        if odom_T_camera is None:
            self.odom_T_camera[:3, :3] = body_R_optical
        self._covariance = (
            np.zeros((6, 6)) if covariance is None else np.array(covariance, np.float64)
        )
        self._open = nothing()
        self._start, self._scale_sigma, self.has_gap = self.odom_T_camera[:3, 3].copy(), 0.0, False

    def lose(self) -> None:
        """A step is missing: nothing is known about the way back to the start, until reset."""
        self.has_gap = True

    def advance(
        self,
        prev_T_curr: np.ndarray,
        step_covariance: np.ndarray,
        scale_sigma: float = 0.0,
        influence: Influence | None = None,
    ) -> None:
        """Take a step (4, 4) with the covariance (6, 6) of xi in prev_T_curr exp(xi); scale_sigma:
        relative, of all.

        influence: what sources did to xi, besides; one that does nothing in a step has ended.
        """
        self._covariance, both = self._grown(prev_T_curr, step_covariance, influence)
        self._open, ended = both.split(
            nothing().sources if influence is None else influence.sources
        )
        self._covariance += ended.covariance
        self.odom_T_camera = self.odom_T_camera @ prev_T_curr
        R = self.odom_T_camera[:3, :3]
        self.odom_T_camera[:3, :3] = R @ (
            1.5 * np.eye(3) - 0.5 * R.T @ R
        )  # rounding must not add up
        self._scale_sigma = scale_sigma

    def after(
        self,
        prev_T_curr: np.ndarray,
        step_covariance: np.ndarray,
        influence: Influence | None = None,
    ):
        """Give the pose (4, 4) and covariance (6, 6) that a step would lead to, without taking
        it.
        """
        pose = self.odom_T_camera @ prev_T_curr
        covariance, both = self._grown(prev_T_curr, step_covariance, influence)
        return pose, self._with_scale(covariance + both.covariance, pose)

    @property
    def covariance(self) -> np.ndarray:
        """The (6, 6) covariance of odom_T_camera: m^2, rad^2, axes of odom; LOST_VARIANCE after
        a gap.
        """
        return self._with_scale(self._covariance + self._open.covariance, self.odom_T_camera)

    @property
    def scale_sigma(self) -> float:
        """The relative error of the scale of all steps."""
        return self._scale_sigma

    def _grown(self, prev_T_curr, step_covariance, influence) -> tuple[np.ndarray, Influence]:
        """The errors after a step: the old rotation's error swings the step, the step's own is
        turned into odom.
        """
        old_R, new_R = self.odom_T_camera[:3, :3], self.odom_T_camera[:3, :3] @ prev_T_curr[:3, :3]
        F, G = np.eye(6), np.zeros((6, 6))
        F[:3, 3:] = -hat(old_R @ prev_T_curr[:3, 3])
        G[:3, :3] = G[3:, 3:] = new_R
        both = (
            self._open.mapped(F)
            if influence is None
            else self._open.mapped(F).plus(influence.mapped(G))
        )
        return F @ self._covariance @ F.T + G @ step_covariance @ G.T, both

    def _with_scale(self, covariance: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """Add the error of a common scale, which lies along the way made."""
        if self.has_gap:
            return LOST_VARIANCE * np.eye(6)
        total = (covariance + covariance.T) / 2
        way = pose[:3, 3] - self._start
        total[:3, :3] += self._scale_sigma**2 * np.outer(way, way)
        return total
