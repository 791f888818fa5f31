import numpy as np

from depth_ros.core.lie import so3_log
from depth_ros.estimator.pose_network import network_pose_to_matrix


def test_another_focal_length_sees_the_same_flow():
    """The motion field of a canonical camera equals that of a real one whose depth and motion
    are converted.
    """
    focal_px, fx = 100.0, 160.0
    pose = np.array([2e-6, -3e-6, 1e-6, 3e-5, -2e-5, 8e-5])
    pixels, canonical_depth = np.array([[20.0, -13.0], [-31.0, 8.0]]), np.array([4.0, 7.0])

    def flow(f, z, first_T_second):
        points = np.concatenate([pixels / f * z[:, None], z[:, None]], 1)
        seen = (points - first_T_second[:3, 3]) @ first_T_second[:3, :3]
        return (seen[:, :2] / seen[:, 2:] * f - pixels) * 1e4

    ratio = fx / focal_px
    real = flow(fx, canonical_depth * ratio, network_pose_to_matrix(pose, ratio))
    canonical = flow(focal_px, canonical_depth, network_pose_to_matrix(pose))
    # equal but for the rotational terms of second order in the image plane, (u / f)^2, which no
    # change of camera keeps
    np.testing.assert_allclose(real, canonical, atol=0.1 * np.abs(canonical).max())
    translation = pose * [0, 0, 0, 1, 1, 1]
    np.testing.assert_allclose(
        flow(fx, canonical_depth * ratio, network_pose_to_matrix(translation, ratio)),
        flow(focal_px, canonical_depth, network_pose_to_matrix(translation)),
        rtol=1e-4,
        atol=1e-6,
    )


def test_pose_vector_is_rotation_then_translation_as_it_is():
    T = network_pose_to_matrix([0.1, -0.2, 0.3, 1.0, 2.0, 3.0])
    np.testing.assert_allclose(so3_log(T[:3, :3]), [0.1, -0.2, 0.3])
    assert T[:3, 3].tolist() == [1.0, 2.0, 3.0]
