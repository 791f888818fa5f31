"""An IMU whose truth is known: a camera on a smooth way with turns, noise, biases and gravity."""

import numpy as np
import pytest

from depth_ros.core.lie import inverse, se3_exp, so3_exp, so3_log
from depth_ros.odometry import ImuSample
from depth_ros.odometry.inertial_filter import Inertial
from depth_ros.odometry.preintegration import preintegrate

G = np.array([0.0, 9.81, 0.0])  # y points down
RATE_HZ, PERIOD_S = 200, 0.1


def pose_at(t):
    """world_T_camera on a bent way at up to 0.8 m/s."""
    T = np.eye(4)
    T[:3, :3] = so3_exp([0.05 * np.sin(t), 0.4 * np.sin(0.7 * t), 0.03 * np.sin(2 * t)])
    T[:3, 3] = 0.4 * np.sin(t), 0.05 * np.sin(2 * t), 0.5 * t + 0.2 * np.sin(1.3 * t)
    return T


def readings(
    seconds, seed=0, gyro_bias=(0.01, -0.005, 0.008), accel_bias=(0.03, -0.02, 0.03), way=pose_at
):
    rng, out, h = np.random.default_rng(seed), [], 1e-3
    for i in range(int(seconds * RATE_HZ) + 1):
        t = (i + 0.5) / RATE_HZ  # a reading holds until the next: take it in the middle
        before, here, after = way(t - h), way(t), way(t + h)
        gyro = so3_log(before[:3, :3].T @ after[:3, :3]) / (2 * h)
        force = here[:3, :3].T @ ((after[:3, 3] - 2 * here[:3, 3] + before[:3, 3]) / h**2 - G)
        gyro = gyro + gyro_bias + rng.normal(0, 1e-3 * RATE_HZ**0.5 * 0.3, 3)
        force = force + accel_bias + rng.normal(0, 1e-2 * RATE_HZ**0.5 * 0.3, 3)
        out.append(ImuSample(int(1e9 * i / RATE_HZ), tuple(gyro), tuple(force)))
    return out


def followed(seconds, samples, seed=0, sigma=(0.002, 0.0005)):
    """An Inertial that saw all steps up to then, with noise."""
    rng, inertial = np.random.default_rng(seed), Inertial()
    covariance = np.diag([sigma[0] ** 2] * 3 + [sigma[1] ** 2] * 3)
    inertial.see(0, np.eye(4), covariance, ())
    for i in range(1, round(seconds / PERIOD_S) + 1):
        step = inverse(pose_at((i - 1) * PERIOD_S)) @ pose_at(i * PERIOD_S)
        step = step @ se3_exp(rng.normal(0, 1, 6) * np.sqrt(np.diag(covariance)))
        inertial.see(int(i * PERIOD_S * 1e9), step, covariance, samples)
    return inertial


def test_preintegration_is_the_motion_less_gravity_and_the_first_velocity():
    samples = readings(1.0, gyro_bias=(0, 0, 0), accel_bias=(0, 0, 0))
    found, a, b = preintegrate(samples, 200_000_000, 700_000_000), pose_at(0.2), pose_at(0.7)
    v = (pose_at(0.201)[:3, 3] - pose_at(0.199)[:3, 3]) / 0.002
    way = a[:3, :3].T @ (b[:3, 3] - a[:3, 3] - v * 0.5 - G * 0.125)
    assert found.span_s == pytest.approx(0.5)
    assert np.linalg.norm(so3_log(found.start_R_end.T @ a[:3, :3].T @ b[:3, :3])) < 0.005
    assert np.linalg.norm(found.displacement - way) < 0.01
    assert np.sqrt(found.covariance[0, 0]) == pytest.approx(2e-3 * 0.5**0.5, rel=0.4)


def test_the_covariance_is_that_of_many_draws():
    rng, ends = np.random.default_rng(0), []
    for _ in range(60):
        gyro, accel = (
            rng.normal(0, 2e-3 * 200**0.5, (101, 3)),
            rng.normal(0, 2e-2 * 200**0.5, (101, 3)) - G,
        )
        samples = [ImuSample(i * 5_000_000, tuple(gyro[i]), tuple(accel[i])) for i in range(101)]
        found = preintegrate(samples, 0, 500_000_000)
        ends.append(
            np.r_[
                so3_log(found.start_R_end), found.velocity + G * 0.5, found.displacement + G * 0.125
            ]
        )
    expected = np.sqrt(np.diag(found.covariance))
    ratio = np.std(ends, axis=0) / expected
    assert ((0.3 < ratio) & (ratio < 1.35)).all(), (
        ratio
    )  # below 1: shares for axes and stamps are added


def test_velocity_gravity_and_bias_are_learned():
    samples = readings(4.1)
    inertial, pose = followed(4.0, samples), pose_at(4.0)
    v = pose[:3, :3].T @ (pose_at(4.001)[:3, 3] - pose_at(3.999)[:3, 3]) / 0.002
    assert np.linalg.norm(inertial.velocity - v) < 0.03
    tilt = np.degrees(
        np.arccos(inertial.gravity @ pose[:3, :3].T @ G / 9.81 / np.linalg.norm(inertial.gravity))
    )
    assert tilt < 0.5
    np.testing.assert_allclose(inertial.gyro_bias, (0.01, -0.005, 0.008), atol=0.003)


@pytest.mark.parametrize("blind_s", [0.3, 0.9])
def test_blind_for_up_to_a_second_the_motion_goes_on_and_its_covariance_is_true(blind_s):
    values, errors = [], []
    for seed in range(6):
        samples = readings(4.0, seed)
        inertial = followed(3.0, samples, seed)
        T, covariance = inertial.predict(int((3.0 + blind_s) * 1e9), samples)
        off = inverse(T) @ inverse(pose_at(3.0)) @ pose_at(3.0 + blind_s)
        error = np.r_[off[:3, 3], so3_log(off[:3, :3])]
        errors.append(np.linalg.norm(error[:3]))
        values.append(error @ np.linalg.solve(covariance, error))
    print(
        f"blind for {blind_s} s: {1e3 * np.mean(errors):.0f} mm, at most "
        f"{1e3 * max(errors):.0f} mm; "
        f"sigma {1e3 * np.sqrt(np.trace(covariance[:3, :3])):.0f} mm"
    )
    assert max(errors) < 0.1 * blind_s  # metres, of 0.6 m/s
    assert np.mean(values) < 9.3  # 95 % of the mean of 6 chi-squares of 6 lie within 3.5 and 9.1
    assert np.sqrt(np.trace(covariance[:3, :3])) < 0.2


def test_what_readings_do_not_cover_is_not_known():
    samples = readings(4.0)
    inertial = followed(3.0, samples)
    assert inertial.predict(4_500_000_000, samples) is None  # more than a second
    assert inertial.predict(3_500_000_000, samples[:600]) is None  # nothing after 3 s
    assert Inertial().predict(1, samples) is None
