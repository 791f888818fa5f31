"""Velocity, gravity and the bias of the gyroscope, learned from steps that were seen; motion
while nothing is seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from depth_ros.core.lie import so3_log

from .preintegration import Preintegrated, preintegrate, rotation_since, rotation_variance
from .types import ImuSample

_G = 9.81
# m/s^2, over a step: else the accelerometer is dead, counts in g, or the camera falls.
FORCE = (0.5 * _G, 2 * _G)
# Standard deviations before anything was seen, m/s and m/s^2.
_SPEED = 10.0
_TILT = 1.0
_G_SIGMA = 0.05  # m/s^2: |g| differs over the world, an accelerometer's scale more
_G_WALK = 0.02  # m/s^2 in a second: what the accelerometer's bias does to it as the camera turns
_BIAS = 0.02  # rad/s before anything was seen
_BIAS_WALK = 1e-4  # rad/s in a second
_MOST_SPAN_S = 1.0
# No step is seen better.
_FLOOR_M = 1e-3
_FLOOR_RAD = 2e-4
# Of a prior: metres, a share of the translation, radians.
_PRIOR_M = 0.01
_PRIOR_SHARE = 0.05
_PRIOR_RAD = 5e-4


class Inertial:
    """Estimate what an IMU cannot know alone, by a Kalman filter: a seen step is velocity * t +
    gravity * t^2 / 2 + the displacement that was preintegrated.

    All is in the axes of the camera when something was last seen. The accelerometer's bias is not a
    state of its own, but makes gravity less known with time.

    Attributes:
        stamp_ns: when something was last seen, None: never.
        velocity: (3,) m/s.
        gravity: (3,) m/s^2, the acceleration of what falls; None before anything was seen.
        covariance: (6, 6) of both.
        gyro_bias: (3,) rad/s.
        bias_variance: of it, about each axis.
        seen_T_last: (4, 4) of what was used last of predict.
    """

    def __init__(self):
        self.gyro_bias = np.zeros(3)
        self.bias_variance = _BIAS**2
        self.reset()

    def reset(self) -> None:
        """Forget velocity and gravity: a step is missing. The gyroscope's bias stays."""
        self.stamp_ns: int | None = None
        self.velocity = np.zeros(3)
        self.gravity: np.ndarray | None = None
        self.covariance = np.diag([_SPEED**2] * 3 + [_TILT**2] * 3)
        self.seen_T_last = np.eye(4)
        self._cache: tuple | None = None

    def see(
        self, stamp_ns: int, step: np.ndarray, covariance: np.ndarray, samples: Sequence[ImuSample]
    ) -> None:
        """Learn from a step that was seen.

        Args:
            stamp_ns: at its end.
            step: (4, 4) metres, since the last time something was known.
            covariance: (6, 6) of its right perturbation.
            samples: readings up to its end.
        """
        found = self._since(stamp_ns, samples)
        if found is None or found.span_s > _MOST_SPAN_S:
            self.reset()
        else:
            if self.gravity is None:
                self.gravity = -_G * found.velocity / np.linalg.norm(found.velocity)
            self._learn(self.seen_T_last @ step, covariance, found)
        self.stamp_ns = stamp_ns
        self.seen_T_last = np.eye(4)

    def coast(self, stamp_ns: int, samples: Sequence[ImuSample]) -> None:
        """Go on to stamp_ns without having seen anything: from now on steps begin there."""
        predicted = self.predict(stamp_ns, samples)
        found = self._since(stamp_ns, samples)
        if predicted is None:
            self.reset()
        else:
            self._go_on(found, predicted[0][:3, :3])
        self.stamp_ns = stamp_ns
        self.seen_T_last = np.eye(4)

    def predict(
        self, stamp_ns: int, samples: Sequence[ImuSample]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Predict the motion since something was last seen.

        Args:
            stamp_ns: now.
            samples: readings up to now.

        Returns:
            seen_T_now (4, 4) metres and the covariance (6, 6) of its right perturbation; None where
            the readings do not cover the time, or for longer than a second.
        """
        found = self._since(stamp_ns, samples)
        if found is None or self.gravity is None or found.span_s > _MOST_SPAN_S:
            return None
        t = found.span_s
        R = found.start_R_end
        T = np.eye(4)
        T[:3, :3] = R
        T[:3, 3] = self.velocity * t + self.gravity * (t * t / 2) + found.displacement
        # (translation, rotation) by (rotation, velocity, displacement) of the IMU, and the
        # translation by (velocity, gravity)
        by_imu = np.zeros((6, 9))
        by_imu[:3, 6:] = R.T
        by_imu[3:, :3] = np.eye(3)
        H = _by_velocity_and_gravity(t)
        covariance = by_imu @ found.covariance @ by_imu.T
        covariance[:3, :3] += R.T @ H @ self.covariance @ H.T @ R
        covariance[range(3, 6), range(3, 6)] += self.bias_variance * t * t
        return T, covariance

    def prior(
        self, stamp_ns: int, key_ns: int, key_T_seen: np.ndarray, samples: Sequence[ImuSample]
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Predict the motion since a keyframe as a Gaussian prior.

        Rotation is the gyroscope's since the keyframe; translation leans on steps that were seen,
        and therefore counts for little.

        Args:
            stamp_ns: now.
            key_ns: stamp of the keyframe.
            key_T_seen: (4, 4) where the camera was in it when something was last seen, metres.
            samples: readings up to now.

        Returns:
            key_T_now (4, 4) metres and the information (6, 6) of its right perturbation; None where
            it is not known.
        """
        predicted = self.predict(stamp_ns, samples)
        R = rotation_since(samples, key_ns, stamp_ns, self.gyro_bias)
        if predicted is None or R is None:
            return None
        seen_T_now, seen_covariance = predicted
        T = key_T_seen @ seen_T_now
        T[:3, :3] = R
        span_s = (stamp_ns - key_ns) / 1e9
        moved = _PRIOR_SHARE * np.linalg.norm(seen_T_now[:3, 3])
        turned = _PRIOR_RAD**2 + self.bias_variance * span_s**2 + rotation_variance(R, span_s)
        covariance = np.zeros((6, 6))
        covariance[:3, :3] = seen_covariance[:3, :3] + (_PRIOR_M**2 + moved**2) * np.eye(3)
        covariance[3:, 3:] = turned * np.eye(3)
        return T, np.linalg.inv(covariance)

    def _since(self, stamp_ns: int, samples: Sequence[ImuSample]) -> Preintegrated | None:
        """What was measured since something was last seen; asked several times a frame, integrated
        once. None where it cannot be what holds a camera up against gravity: motion would be made
        of that.
        """
        key = (self.stamp_ns, stamp_ns, len(samples))
        if self._cache is None or self._cache[0] != key:
            found = preintegrate(samples, self.stamp_ns, stamp_ns, self.gyro_bias)
            if found is not None:
                force = np.linalg.norm(found.velocity) / found.span_s
                found = found if FORCE[0] < force < FORCE[1] else None
            self._cache = (key, found)
        return self._cache[1]

    def _learn(self, step: np.ndarray, covariance: np.ndarray, found: Preintegrated) -> None:
        """Correct by a seen step, then go on to its end and turn into its axes."""
        t = found.span_s
        R = step[:3, :3]
        # 1. translation: the step less what was preintegrated is of velocity and gravity
        H = _by_velocity_and_gravity(t)
        expected = found.displacement + H @ np.r_[self.velocity, self.gravity]
        noise = R @ covariance[:3, :3] @ R.T + found.covariance[6:, 6:] + _FLOOR_M**2 * np.eye(3)
        self._correct(H, step[:3, 3] - expected, noise)
        # 2. gravity has a known length
        down = self.gravity / np.linalg.norm(self.gravity)
        length_off = np.array([_G - down @ self.gravity])
        self._correct(np.r_[np.zeros(3), down][None], length_off, np.array([[_G_SIGMA**2]]))
        self._go_on(found, R)
        # 3. rotation: what the gyroscope has too much is its bias
        off = so3_log(found.start_R_end.T @ R) / t
        variance = np.trace(covariance[3:, 3:] + found.covariance[:3, :3]) / 3 + _FLOOR_RAD**2
        self.bias_variance += _BIAS_WALK**2 * t
        gain = self.bias_variance / (self.bias_variance + variance / t**2)
        self.gyro_bias = self.gyro_bias - gain * off
        self.bias_variance *= 1 - gain

    def _go_on(self, found: Preintegrated, R: np.ndarray) -> None:
        """Carry velocity and gravity to the end of what was integrated, and into its axes."""
        t = found.span_s
        self.velocity = self.velocity + self.gravity * t + found.velocity
        F = np.eye(6)
        F[:3, 3:] = t * np.eye(3)
        self.covariance = F @ self.covariance @ F.T
        self.covariance[:3, :3] += found.covariance[3:6, 3:6]
        self.covariance[range(3, 6), range(3, 6)] += _G_WALK**2 * t
        turn = np.kron(np.eye(2), R.T)
        self.velocity = R.T @ self.velocity
        self.gravity = R.T @ self.gravity
        self.covariance = turn @ self.covariance @ turn.T

    def _correct(self, H: np.ndarray, off: np.ndarray, noise: np.ndarray) -> None:
        """Kalman's update of velocity and gravity."""
        gain = np.linalg.solve(H @ self.covariance @ H.T + noise, H @ self.covariance).T
        change = gain @ off
        self.velocity = self.velocity + change[:3]
        self.gravity = self.gravity + change[3:]
        # Joseph's form stays positive: (I - K H) P (I - K H)^T + K N K^T
        rest = np.eye(6) - gain @ H
        self.covariance = rest @ self.covariance @ rest.T + gain @ noise @ gain.T


def _by_velocity_and_gravity(t: float) -> np.ndarray:
    """Differentiate the translation over t seconds by velocity and gravity: (3, 6)."""
    return np.concatenate([t * np.eye(3), t * t / 2 * np.eye(3)], axis=1)
