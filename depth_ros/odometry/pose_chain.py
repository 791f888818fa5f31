"""Chain the motion from frame to frame into a pose, and its error into a covariance."""

from __future__ import annotations

import numpy as np

from depth_ros.core.axes import body_R_optical
from depth_ros.core.lie import hat, renormalised, se3_log

from .error_sources import Influence, no_influence

LOST_VARIANCE = 1e6  # m^2 and rad^2: nothing is known


def twist(prev_T_curr: np.ndarray, span_s: float) -> np.ndarray:
    """Return the mean velocity (6,) over a step: metres a second, then radians a second, axes of
    the moving camera.

    >>> step = np.eye(4)
    >>> step[2, 3] = 0.5
    >>> twist(step, 0.1).tolist()
    [0.0, 0.0, 5.0, 0.0, 0.0, 0.0]
    """
    return se3_log(prev_T_curr) / span_s


class PoseChain:
    """A pose and its covariance, carried from step to step; odom has body axes (x forward, z up) at
    the first camera.

    The error of the pose is (translation, rotation vector) in odom: t_true = t + e_t, R_true =
    exp(e_r) R. Errors of steps are independent but for scale, which is the same from the start on,
    and for sources that moved several steps one after the other (a point that is seen again).

    Attributes:
        odom_T_camera: (4, 4) metres.
        has_gap: a step is missing since the last reset.
        restarts: how often stamps went back; counted by the owner, kept by reset.

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
        """Begin anew.

        Args:
            odom_T_camera: (4, 4) metres, None = the origin, looking along x.
            covariance: (6, 6) of it, None = exactly known.
        """
        if odom_T_camera is None:
            odom_T_camera = np.eye(4)
            odom_T_camera[:3, :3] = body_R_optical
        if covariance is None:
            covariance = np.zeros((6, 6))
        self.odom_T_camera = np.array(odom_T_camera, np.float64)
        self._covariance = np.array(covariance, np.float64)
        self._open = no_influence()  # of sources that may move the next step too
        self._start = self.odom_T_camera[:3, 3].copy()
        self._scale_sigma = 0.0
        self.has_gap = False

    def lose(self) -> None:
        """Note that a step is missing: the path back to the start is unknown until reset."""
        self.has_gap = True

    def advance(
        self,
        prev_T_curr: np.ndarray,
        step_covariance: np.ndarray,
        scale_sigma: float = 0.0,
        influence: Influence | None = None,
    ) -> None:
        """Take a step.

        Args:
            prev_T_curr: (4, 4) metres.
            step_covariance: (6, 6) of xi in prev_T_curr exp(xi).
            scale_sigma: relative standard deviation of the scale of all steps.
            influence: what sources did to xi, besides; one that does nothing in a step has ended.
        """
        if influence is None:
            influence = no_influence()
        self._covariance, both = self._grown(prev_T_curr, step_covariance, influence)
        self._open, ended = both.split(influence.sources)
        self._covariance += ended.covariance
        self.odom_T_camera = self.odom_T_camera @ prev_T_curr
        # rounding must not add up
        self.odom_T_camera[:3, :3] = renormalised(self.odom_T_camera[:3, :3])
        self._scale_sigma = scale_sigma

    def after(
        self,
        prev_T_curr: np.ndarray,
        step_covariance: np.ndarray,
        influence: Influence | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pose (4, 4) and covariance (6, 6) that a step would lead to, without taking
        it; the arguments are those of advance.
        """
        if influence is None:
            influence = no_influence()
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

    def _grown(
        self, prev_T_curr: np.ndarray, step_covariance: np.ndarray, influence: Influence
    ) -> tuple[np.ndarray, Influence]:
        """The errors after a step: F C F^T + G S G^T, and the influences alike."""
        old_R = self.odom_T_camera[:3, :3]
        new_R = old_R @ prev_T_curr[:3, :3]
        # the old rotation's error swings the step
        F = np.eye(6)
        F[:3, 3:] = -hat(old_R @ prev_T_curr[:3, 3])
        # the step's own error is turned into odom
        G = np.zeros((6, 6))
        G[:3, :3] = new_R
        G[3:, 3:] = new_R
        both = self._open.mapped(F).plus(influence.mapped(G))
        return F @ self._covariance @ F.T + G @ step_covariance @ G.T, both

    def _with_scale(self, covariance: np.ndarray, pose: np.ndarray) -> np.ndarray:
        """Add the error of a common scale, which lies along the path made."""
        if self.has_gap:
            return LOST_VARIANCE * np.eye(6)
        total = (covariance + covariance.T) / 2
        path = pose[:3, 3] - self._start
        total[:3, :3] += self._scale_sigma**2 * np.outer(path, path)
        return total
