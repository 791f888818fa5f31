"""What an IMU adds to ego-motion on rendered clips: none, a prior of every step, and a factor of
the window besides.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python experiments/odometry/egomotion_imu.py [--clips
    12] [--cache FOLDER]

Clips, sources and NEES (6 is true) are those of experiments/odometry/egomotion_nees.py, calibration
seeds. The IMU is simulated: a smooth curve through the true poses, 200 readings a second, with the
noise and the biases of a cheap one. Steps of the first half second do not count: gravity, velocity
and bias are learned in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from nees_clips import CACHE, PLACES, frames_of, load_clip
from scipy.interpolate import CubicSpline

from depth_ros.core.lie import inverse, se3_log, so3_exp, so3_log
from depth_ros.core.trajectory import nees
from depth_ros.odometry import EgoMotion, ImuSample
from depth_ros.odometry.window import Window

RATE_HZ, PERIOD_S, G = (
    200,
    0.1,
    np.array([0.0, 9.81, 0.0]),
)  # the world of the clips has its y axis down
GYRO_NOISE, GYRO_BIAS, ACCEL_NOISE, ACCEL_BIAS = (
    0.004,
    0.008,
    0.04,
    0.03,
)  # rad/s, m/s^2, standard deviations
LEARNED = 6  # steps that do not count
ROW = "{:7} {:7} {:15} {:>5} {:>7} {:>5} {:>9} {:>5} {:>5} {:>4}"
MODES = ("no IMU", "prior of steps", "and of windows")


def readings(poses: np.ndarray, seed: int) -> list[ImuSample]:
    """What an IMU in the camera reads along poses (N, 4, 4), world_T_camera."""
    rng = np.random.default_rng(seed)
    R0 = poses[0, :3, :3]
    t = PERIOD_S * np.arange(len(poses))
    h = 1e-3
    position = CubicSpline(t, poses[:, :3, 3])
    turned = CubicSpline(t, [so3_log(R0.T @ pose[:3, :3]) for pose in poses])
    gyro_bias = rng.normal(0, GYRO_BIAS, 3)
    accel_bias = rng.normal(0, ACCEL_BIAS, 3)
    out = []
    for i in range(int(t[-1] * RATE_HZ) + 1):
        s = (i + 0.5) / RATE_HZ  # a reading holds until the next: take it in the middle
        gyro = so3_log(so3_exp(turned(s - h)).T @ so3_exp(turned(s + h))) / (2 * h)
        force = (R0 @ so3_exp(turned(s))).T @ (position(s, 2) - G)
        gyro = gyro + gyro_bias + rng.normal(0, GYRO_NOISE, 3)
        force = force + accel_bias + rng.normal(0, ACCEL_NOISE, 3)
        out.append(ImuSample(1 + i * 1_000_000_000 // RATE_HZ, tuple(gyro), tuple(force)))
    return out


def followed(clip: dict, source: str, samples: list[ImuSample]) -> tuple[list, list, int]:
    """Errors (6,) of the steps that count, their NEES, and how many frames were lost."""
    ego = EgoMotion("geometric")
    poses = clip["poses"]
    errors = []
    found = []
    lost = 0
    before = None
    for i, frame in enumerate(frames_of(clip, source)):
        estimate = ego.update(frame, [one for one in samples if one.stamp_ns <= frame.stamp_ns])
        lost += estimate.state == "lost"
        if i >= LEARNED and estimate.prev_T_curr is not None and estimate.prev_stamp_ns == before:
            true = inverse(poses[i - 1]) @ poses[i]
            errors.append(se3_log(inverse(true) @ estimate.prev_T_curr))
            found.append(nees(estimate.prev_T_curr, true, estimate.step_covariance))
        before = estimate.stamp_ns
    return errors, found, lost


def without_motion(window, origin_T_camera, seen, sigma, motion=None, add_frame=Window.add_frame):
    """Window.add_frame as if there were no IMU."""
    add_frame(window, origin_T_camera, seen, sigma)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of rendered clips")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with_motion = Window.add_frame
    print(
        ROW.format(
            "place", "source", "IMU", "steps", "rms mm", "mrad", "median mm", "mrad", "NEES", "lost"
        )
    )
    for place in PLACES:
        clips = [load_clip(place, 1000 + i, 12, args.cache) for i in range(args.clips)]
        for source in ("stereo", "depth"):
            for mode in MODES:
                Window.add_frame = with_motion if mode == MODES[2] else without_motion
                samples = [
                    [] if mode == MODES[0] else readings(clip["poses"], clip["seed"])
                    for clip in clips
                ]
                errors, found, lost = zip(
                    *map(followed, clips, [source] * len(clips), samples), strict=True
                )
                errors = np.concatenate([one for one in errors if one])
                values = np.concatenate(found)
                far = 1e3 * np.stack(
                    [np.linalg.norm(part, axis=1) for part in (errors[:, :3], errors[:, 3:])], 1
                )
                rms = np.sqrt(np.mean(far**2, 0)).round(2)
                median = np.median(far, 0).round(2)
                print(
                    ROW.format(
                        place,
                        source,
                        mode,
                        len(errors),
                        *rms,
                        *median,
                        values.mean().round(1),
                        sum(lost),
                    )
                )
    Window.add_frame = with_motion


if __name__ == "__main__":
    main()
