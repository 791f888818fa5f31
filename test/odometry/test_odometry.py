from dataclasses import replace

import numpy as np
import pytest

from depth_ros.core.axes import body_R_optical
from depth_ros.core.errors import InputError
from depth_ros.core.lie import inverse, se3_exp, se3_log, so3_log
from depth_ros.odometry import EgoMotion, keyframes
from depth_ros.odometry.pose_chain import LOST_VARIANCE

from .billboards import CAMERA, boards, frame

SCENE = boards()
STEP = se3_exp([0.02, 0.0, 0.06, 0.0, 0.01, 0.003])
ODOM = np.eye(4)
ODOM[:3, :3] = body_R_optical


def poses(count, step=STEP):
    out = [np.eye(4)]
    for _ in range(count - 1):
        out.append(out[-1] @ step)
    return out


def error(estimate, pose):
    """Metres and degrees between an estimate and the truth."""
    off = inverse(estimate.odom_T_camera) @ ODOM @ pose
    return np.linalg.norm(off[:3, 3]), np.degrees(np.linalg.norm(so3_log(off[:3, :3])))


def run(frames, ego=None):
    ego = ego or EgoMotion()
    return [ego.update(one) for one in frames]


def test_a_stereo_pair_is_followed_in_metres():
    way = poses(10)
    estimates = run(frame(SCENE, i, pose) for i, pose in enumerate(way))
    assert [e.state for e in estimates] == ["initialising"] + ["tracking"] * 9
    metres, degrees = error(estimates[-1], way[-1])
    assert metres < 0.03 and degrees < 0.3  # of 0.57 m and 5.4 degrees
    assert estimates[-1].scale == "stereo baseline"
    np.testing.assert_allclose(estimates[-1].twist, [0.2, 0, 0.6, 0, 0.1, 0.03], atol=0.05)


def test_one_camera_with_depth_is_followed_in_metres():
    way = poses(8)
    last = run(frame(SCENE, i, pose, right=False) for i, pose in enumerate(way))[-1]
    metres, degrees = error(last, way[-1])
    assert metres < 0.03 and degrees < 0.3
    assert last.scale == "depth"


def test_the_same_frames_give_the_same_answer():
    way = poses(5)
    a, b = (run(frame(SCENE, i, pose) for i, pose in enumerate(way))[-1] for _ in range(2))
    np.testing.assert_array_equal(a.odom_T_camera, b.odom_T_camera)
    np.testing.assert_array_equal(a.covariance, b.covariance)


def test_a_standing_camera_stands():
    last = run(frame(SCENE, i, np.eye(4)) for i in range(6))[-1]
    metres, degrees = error(last, np.eye(4))
    assert metres < 0.002 and degrees < 0.05


def test_turning_on_the_spot():
    way = poses(8, se3_exp([0, 0, 0, 0, 0.03, 0]))
    last = run(frame(SCENE, i, pose) for i, pose in enumerate(way))[-1]
    metres, degrees = error(last, way[-1])
    assert metres < 0.04 and degrees < 0.3


@pytest.mark.parametrize("grey", [0, 127])
def test_two_blind_frames_are_bridged(grey):
    way = poses(8, se3_exp([0.01, 0, 0.03, 0, 0.003, 0]))
    frames = [frame(SCENE, i, pose) for i, pose in enumerate(way)]
    blind = np.full_like(frames[0].image, grey)
    frames[4:6] = [replace(one, image=blind, right=blind, depth=None) for one in frames[4:6]]
    estimates = run(frames)
    assert [e.state for e in estimates[3:7]] == ["tracking", "lost", "lost", "tracking"]
    assert "image is" in estimates[4].reason
    assert (np.diag(estimates[4].covariance) == LOST_VARIANCE).all()
    assert not estimates[-1].has_gap and error(estimates[-1], way[-1])[0] < 0.03
    assert estimates[6].prev_stamp_ns == frames[3].stamp_ns


def test_a_long_blindness_leaves_a_gap_that_is_not_hidden():
    way = poses(20)
    frames = [frame(SCENE, i, pose) for i, pose in enumerate(way[:6])]
    black = np.zeros_like(frames[0].image)
    frames += [
        replace(frames[5], stamp_ns=1 + i * 10**8, image=black, right=black) for i in range(6, 16)
    ]
    frames += [frame(boards(7), i, pose) for i, pose in enumerate(way[16:], 16)]
    ego = EgoMotion()
    estimates = run(frames, ego)
    assert all(e.state == "lost" for e in estimates[6:17])
    last = estimates[-1]
    assert last.state == "tracking" and last.has_gap
    assert (np.diag(last.covariance) == LOST_VARIANCE).all()
    ego.set_pose(np.eye(4))
    again = ego.update(frame(boards(7), 20, way[-1] @ STEP))
    assert not again.has_gap and np.diag(again.covariance).max() < 0.1
    assert np.linalg.norm(again.odom_T_camera[:3, 3] - STEP[:3, 3]) < 0.02


def test_half_a_second_without_frames_while_slow():
    way = poses(6, se3_exp([0.01, 0, 0.02, 0, 0.002, 0]))
    frames = [frame(SCENE, i, pose) for i, pose in enumerate(way)]
    frames[5] = replace(frames[5], stamp_ns=frames[4].stamp_ns + 500_000_000)
    last = run(frames)[-1]
    assert last.state == "tracking" and error(last, way[-1])[0] < 0.02


def test_a_third_of_the_stamps_lost():
    way = poses(12, se3_exp([0.01, 0, 0.03, 0, 0.005, 0]))
    kept = [i for i in range(12) if i % 3 != 1]
    last = run(frame(SCENE, i, way[i]) for i in kept)[-1]
    assert error(last, way[11])[0] < 0.03


def test_a_wrong_baseline_is_a_wrong_scale():
    way = poses(10)
    good, wrong = (
        run(frame(SCENE, i, pose, baseline_m=0.15 * factor) for i, pose in enumerate(way))[-1]
        for factor in (1, 1.05)
    )
    ratio = np.linalg.norm(wrong.odom_T_camera[:3, 3]) / np.linalg.norm(good.odom_T_camera[:3, 3])
    assert ratio == pytest.approx(1.05, abs=0.02)


def test_another_camera_in_mid_stream_is_a_gap():
    way = poses(6)
    frames = [frame(SCENE, i, pose) for i, pose in enumerate(way)]
    other = replace(CAMERA, fx=220.0)
    frames[3:] = [replace(one, camera=other) for one in frames[3:]]
    estimates = run(frames)
    assert estimates[3].state == "lost" and estimates[3].reason == "the camera has changed"
    assert estimates[4].has_gap


def test_a_lorry_that_fills_half_of_the_picture_does_not_drag_the_camera():
    way = poses(10)
    frames = []
    for i, pose in enumerate(way):
        lorry = (-4.2 + 0.45 * i, 0.0, 2.9, 3.2, 4.4, boards(3)[0][-1])
        frames.append(frame([*SCENE, lorry] if i > 2 else SCENE, i, pose))
    last = run(frames)[-1]
    assert last.state == "tracking" and error(last, way[-1])[0] < 0.06


def test_stamps_that_go_back_start_anew():
    way = poses(4)
    ego = EgoMotion()
    run((frame(SCENE, i + 10, pose) for i, pose in enumerate(way)), ego)
    again = ego.update(frame(SCENE, 0, np.eye(4)))
    assert (again.state, again.restarts) == ("initialising", 1)
    np.testing.assert_allclose(again.odom_T_camera, ODOM)


def test_the_network_is_the_fallback_of_the_hybrid():
    way = poses(5)
    frames = [frame(SCENE, i, pose, network_motion=STEP) for i, pose in enumerate(way)]
    black = np.zeros_like(frames[0].image)
    frames[3] = replace(frames[3], image=black, right=black)
    estimates = run(frames)
    assert estimates[3].model == "network" and estimates[3].state == "tracking"
    assert error(estimates[-1], way[-1])[0] < 0.03
    assert estimates[3].covariance[0, 0] > 3 * estimates[2].covariance[0, 0]


def test_the_network_alone():
    way = poses(4)
    frames = [frame(SCENE, i, pose, right=False, depth=None) for i, pose in enumerate(way)]
    frames = [frames[0], *(replace(one, network_motion=STEP) for one in frames[1:])]
    estimates = run(frames, EgoMotion("network"))
    np.testing.assert_allclose(estimates[-1].odom_T_camera, ODOM @ way[-1], atol=1e-9)


def test_after_a_reset_the_network_begins_at_the_origin():
    """The next frame stands there, whatever led to it; no speed is made of a step without a
    beginning.
    """
    frames = [
        frame(SCENE, i, pose, right=False, depth=None, network_motion=STEP)
        for i, pose in enumerate(poses(5))
    ]
    ego = EgoMotion("network")
    run(frames[:3], ego)
    ego.reset()
    first, second = run(frames[3:], ego)
    assert first.state == "initialising" and not first.twist.any()
    np.testing.assert_allclose(first.odom_T_camera, ODOM)
    np.testing.assert_allclose(second.odom_T_camera, ODOM @ STEP, atol=1e-9)
    np.testing.assert_allclose(second.twist, 10 * se3_log(STEP), atol=1e-9)


def test_a_step_that_the_network_missed_is_not_left_out_in_silence():
    """Its next one begins at a frame whose pose is not known."""
    way = poses(7)
    frames = [
        frame(SCENE, i, pose, network_motion=STEP, network_sigma=np.full(6, 1e-3))
        for i, pose in enumerate(way)
    ]
    black = np.zeros_like(frames[0].image)
    frames[3:5] = [replace(one, image=black, right=black, depth=None) for one in frames[3:5]]
    frames[3] = replace(frames[3], network_motion=None)
    estimates = run(frames)
    assert [e.state for e in estimates[3:5]] == ["lost", "lost"]
    assert (
        estimates[5].prev_stamp_ns == frames[2].stamp_ns and error(estimates[-1], way[-1])[0] < 0.03
    )


def test_the_network_alone_goes_on_behind_a_gap_that_it_names():
    frames = [
        frame(SCENE, i, pose, right=False, depth=None, network_motion=STEP)
        for i, pose in enumerate(poses(4))
    ]
    frames[2] = replace(frames[2], network_motion=None)
    estimates = run(frames, EgoMotion("network"))
    assert [e.state for e in estimates] == ["initialising", "tracking", "lost", "tracking"]
    assert estimates[3].has_gap and estimates[3].prev_stamp_ns == frames[2].stamp_ns
    np.testing.assert_allclose(estimates[3].twist, 10 * se3_log(STEP), atol=1e-9)


def test_a_fault_in_the_middle_of_a_step_is_a_gap(monkeypatch):
    way, ego = poses(14), EgoMotion()
    run((frame(SCENE, i, pose) for i, pose in enumerate(way[:6])), ego)
    with monkeypatch.context() as patched:
        patched.setattr(keyframes.Window, "adjust", lambda *more: 1 / 0)
        at = 6
        with pytest.raises(ZeroDivisionError):
            for at in range(6, 12):  # until one becomes a keyframe
                ego.update(frame(SCENE, at, way[at]))
    after = run((frame(SCENE, i, way[i]) for i in (at + 1, at + 2)), ego)
    assert [e.state for e in after] == ["lost", "tracking"] and after[1].has_gap
    assert after[0].reason == "a step is missing"


def test_an_unknown_method_is_refused():
    with pytest.raises(InputError, match="expected one of"):
        EgoMotion("magic")


def test_entering_the_dark_forgets_no_uncertainty():
    """What was not seen exactly before the network led on alone is not known better by that."""
    way = poses(6)
    frames = [frame(SCENE, i, pose) for i, pose in enumerate(way)]
    still, black = np.eye(4), np.zeros_like(frames[0].image)
    for last_seen in (1, 2, 3):
        dark = replace(
            frames[last_seen + 1],
            image=black,
            right=black,
            depth=None,
            network_motion=still,
            network_sigma=np.full(6, 1e-6),
        )
        ego = EgoMotion("hybrid")
        seen = run(frames[: last_seen + 1], ego)[-1]
        after = ego.update(dark)
        assert after.model == "network" and after.state == "tracking"
        np.testing.assert_allclose(
            after.covariance[3:, 3:], seen.covariance[3:, 3:], rtol=0.01, atol=1e-11
        )
        assert (np.diag(after.covariance) > 0.99 * np.diag(seen.covariance)).all()
