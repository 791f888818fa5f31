import time

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.lie import inverse, se3_exp, se3_log
from depth_ros.odometry.bundle_adjustment import Bundle, adjust
from depth_ros.odometry.inverse_depth import bearings, move, observe

CAMERA, BASELINE_M, K, L = Camera(640, 480, 500.0, 500.0, 320.0, 240.0), 0.2, 6, 120
FB = CAMERA.fx * BASELINE_M
SIGMA = np.array([0.35, 0.35, 0.35 / FB])


def world(bias=0.0, seed=0):
    """True poses, measurements (L, K, 3) and poses to begin at."""
    rng = np.random.default_rng(seed)
    poses = np.stack([se3_exp([0, 0, 0.4 * k, 0, 0.01 * k, 0]) for k in range(K)])
    pixels, inv = rng.uniform((20, 20), (620, 460), (L, 2)), 1 / rng.uniform(3, 30, L)
    seen = np.stack(
        [
            observe(move(inverse(pose), bearings(pixels, CAMERA), inv), inv, CAMERA)
            for pose in poses
        ],
        1,
    )
    seen += rng.normal(0, 1, seen.shape) * SIGMA - (0, 0, bias)
    start = np.stack(
        [pose @ se3_exp(rng.normal(0, 0.01, 6)) if k else pose for k, pose in enumerate(poses)]
    )
    return poses, seen, start


def solve(seen, start, bias=(0.0, 0.0), rounds=8):
    sigma = np.broadcast_to(SIGMA, seen.shape)
    return adjust(
        Bundle(seen, sigma, np.zeros(L, int)), start, seen[:, 0].copy(), CAMERA, bias, rounds
    )


def errors(poses, truth):
    return [
        float(np.linalg.norm(se3_log(inverse(a) @ b))) for a, b in zip(poses, truth, strict=True)
    ]


def test_poses_are_found_and_the_first_is_held():
    truth, seen, start = world()
    adjusted = solve(seen, start)
    np.testing.assert_array_equal(adjusted.poses[0], start[0])
    assert max(errors(adjusted.poses, truth)) < 0.02 < max(errors(start, truth))


def test_the_offset_of_a_pair_is_learned():
    """A pair rectified 0.3 px wrong measures every distance wrong; near and far points together
    tell.
    """
    truth, seen, start = world(bias=0.3 / FB)
    adjusted = solve(seen, start, bias=(0.0, 0.3 / FB))
    assert adjusted.bias * FB == pytest.approx(0.3, abs=0.1)
    assert errors(adjusted.poses, truth)[-1] < errors(solve(seen, start).poses, truth)[-1]


def test_what_an_imu_knows_of_the_motion_holds_poor_points():
    """Twelve points, a third of them blunders in every frame: motions known to 5 mm and 0.5 mrad
    halve the error.
    """
    sigma, far = np.array([5e-3] * 3 + [5e-4] * 3), []
    for seed in range(8):
        (truth, seen, start), rng = world(seed=seed), np.random.default_rng(seed)
        seen = seen[:12]
        seen[:, 1:, :2] += rng.normal(0, 10, (12, K - 1, 2)) * (rng.random((12, K - 1, 1)) < 0.3)
        steps = [
            inverse(truth[k]) @ truth[k + 1] @ se3_exp(rng.normal(0, 1, 6) * sigma)
            for k in range(K - 1)
        ]
        known = [(step, np.diag(sigma**-2.0)) for step in steps]
        for motions in ((), known, [None, *known[1:]]):
            bundle = Bundle(seen, np.broadcast_to(SIGMA, seen.shape), np.zeros(12, int), motions)
            adjusted = adjust(bundle, start, seen[:, 0].copy(), CAMERA, rounds=20)
            far.append(max(errors(adjusted.poses, truth)))
    without, with_all, with_four = np.sqrt(np.mean(np.square(far).reshape(-1, 3), 0))
    assert with_all < 0.02 and 2 * with_all < without  # 0.02 m: five steps of 5 mm in three axes
    assert with_all < with_four < without
    besides = adjusted.information - adjusted.of_groups(np.zeros(12, int))[2][0]
    assert (
        np.linalg.eigvalsh(besides)[-1] > 0.9 * 5e-4**-2
    )  # the information of all is that of points and of the IMU


def test_gtsam_finds_the_same_and_takes_longer():
    gtsam = pytest.importorskip("gtsam", reason="gtsam is not installed: nothing to compare with")
    truth, seen, start = world()
    begin = time.process_time()
    own = solve(seen, start, rounds=3)
    middle = time.process_time()
    theirs = gtsam_poses(gtsam, seen, start)
    end = time.process_time()
    print(
        f"window of {K} frames, {L} points: {1e3 * (middle - begin):.1f} ms, gtsam "
        f"{1e3 * (end - middle):.1f} ms"
    )
    assert max(errors(own.poses, theirs)) < 0.01
    assert max(errors(own.poses, truth)) < 1.2 * max(errors(theirs, truth))


def gtsam_poses(gtsam, seen, start):
    graph, values = gtsam.NonlinearFactorGraph(), gtsam.Values()
    camera = gtsam.Cal3_S2Stereo(CAMERA.fx, CAMERA.fy, 0.0, CAMERA.cx, CAMERA.cy, BASELINE_M)
    cauchy = gtsam.noiseModel.mEstimator.Cauchy.Create(2.0)
    noise = gtsam.noiseModel.Robust.Create(
        cauchy, gtsam.noiseModel.Diagonal.Sigmas(np.array([0.35, 0.5, 0.35]))
    )
    X, P = gtsam.symbol_shorthand.X, gtsam.symbol_shorthand.L
    for k in range(K):
        values.insert(X(k), gtsam.Pose3(start[k]))
    graph.add(gtsam.NonlinearEqualityPose3(X(0), gtsam.Pose3(start[0])))
    for i, row in enumerate(seen):
        values.insert(P(i), bearings(row[:1, :2], CAMERA)[0] / max(row[0, 2], 0.01))
        for k, (u, v, inv) in enumerate(row):
            point = gtsam.StereoPoint2(u, u - inv * FB, v)
            graph.add(gtsam.GenericStereoFactor3D(point, noise, X(k), P(i), camera))
    params = gtsam.LevenbergMarquardtParams()
    params.setMaxIterations(10)
    result = gtsam.LevenbergMarquardtOptimizer(graph, values, params).optimize()
    return np.stack([result.atPose3(X(k)).matrix() for k in range(K)])
