"""Warping against projective geometry and against the procedural world seen from the other
camera.
"""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck  # noqa: E402

from depth_ros.core import lie, projection  # noqa: E402
from depth_ros.core.camera import Camera  # noqa: E402
from depth_ros.core.errors import InputError  # noqa: E402
from train import warp  # noqa: E402

SMALL = Camera(9, 6, 7.0, 8.0, 4.25, 2.75)


def matrix(camera, dtype=torch.float64):
    return torch.as_tensor(camera.K, dtype=dtype)[None]


@pytest.mark.parametrize(
    "rotvec", [(0, 0, 0), (1e-9, 2e-9, 0), (0.03, -0.05, 0.08), (0.7, -1.1, 0.4), (3.1, 0.1, 0.2)]
)
def test_rotations_are_those_of_the_core_and_differentiable(rotvec):
    vector = torch.tensor([rotvec], dtype=torch.float64, requires_grad=True)
    np.testing.assert_allclose(
        warp.so3_exp(vector)[0].detach(), lie.so3_exp(np.array(rotvec)), atol=1e-12
    )
    assert gradcheck(warp.so3_exp, vector)


def test_a_rotation_has_its_generator_as_slope_at_zero():
    slope = torch.autograd.functional.jacobian(warp.so3_exp, torch.zeros(1, 3))[0, :, :, 0]
    for axis in range(3):
        np.testing.assert_array_equal(slope[..., axis], lie.hat(np.eye(3)[axis]))


def test_a_pose_vector_maps_the_origin_to_its_translation(views):
    T = warp.pose_to_matrix(views.pose)
    torch.testing.assert_close(T, views.source_T_target)
    np.testing.assert_array_equal(T[0, :3, 3], views.pose[0, 3:])
    torch.testing.assert_close(warp.inverse(T) @ T, torch.eye(4)[None], atol=1e-6, rtol=0)
    assert gradcheck(
        lambda p: warp.inverse(warp.pose_to_matrix(p)), views.pose.double().requires_grad_()
    )
    with pytest.raises(InputError, match=r"\(B,6\), got \(6,\)"):
        warp.pose_to_matrix(torch.zeros(6))


def test_the_pose_vector_of_a_transform_undoes_its_exponential():
    rng = torch.Generator().manual_seed(5)
    poses = (
        torch.randn(20, 6, generator=rng, dtype=torch.float64) * torch.logspace(-9, 0, 20)[:, None]
    )
    torch.testing.assert_close(
        warp.matrix_to_pose(warp.pose_to_matrix(poses)), poses, rtol=1e-6, atol=1e-12
    )
    assert not warp.matrix_to_pose(torch.eye(4)[None]).any()


def test_points_are_those_of_the_core():
    depth = np.random.default_rng(1).uniform(1, 9, (6, 9))
    points = warp.unproject(torch.as_tensor(depth)[None, None], matrix(SMALL))
    np.testing.assert_allclose(
        points[0].permute(1, 2, 0), projection.unproject(depth, SMALL), atol=1e-12
    )
    pixels, in_front = warp.project(points, matrix(SMALL))
    np.testing.assert_allclose(pixels[0].permute(1, 2, 0), projection.pixel_grid(6, 9), atol=1e-12)
    assert in_front.all() and not warp.project(-points, matrix(SMALL))[1].any()


def test_standing_still_shows_the_picture_itself(views):
    same = torch.eye(4)[None]
    shown, valid = warp.warp(views.target, views.target_depth, same, views.K_target)
    assert valid.all()
    torch.testing.assert_close(shown, views.target, atol=2e-5, rtol=0)


def test_an_integer_disparity_is_a_shift_and_its_side_is_the_sign():
    image = torch.rand(1, 3, 5, 12, generator=torch.Generator().manual_seed(1))
    disparity = torch.full((1, 1, 5, 12), 3.0)
    left, valid = warp.warp_disparity(image, disparity, -1)
    torch.testing.assert_close(left[..., 3:], image[..., :-3])
    assert valid[..., 3:].all() and not valid[..., :3].any()
    right, valid = warp.warp_disparity(image, disparity, 1)
    torch.testing.assert_close(right[..., :-3], image[..., 3:])
    assert valid[..., :-3].all() and not valid[..., -3:].any()
    with pytest.raises(InputError, match="got 0"):
        warp.warp_disparity(image, disparity, 0)


def test_a_stereo_pair_by_pose_is_that_by_disparity(views):
    one, valid = warp.warp(views.right, views.target_depth, views.right_T_target, views.K_target)
    two, same = warp.warp_disparity(views.right, views.disparity, -1)
    assert torch.equal(valid, same)
    torch.testing.assert_close(one, two, atol=1e-4, rtol=0)
    mirror, _ = warp.warp_disparity(views.target, views.right_disparity, 1)
    for shown, seen in ((two, views.target), (mirror, views.right)):
        assert (
            (shown - seen).abs()[..., 20:-20].mean()
            < 0.01
            < (views.right - views.target).abs().mean() / 4
        )


def test_a_warped_picture_is_that_of_the_other_camera(views):
    """Inverse depth is linear across a plane's picture, so that reading it between pixels is
    exact.
    """
    arguments = views.target_depth, views.source_T_target, views.K_target, views.K_source
    shown, valid = warp.warp(1 / views.source_depth, *arguments)
    points = warp.unproject(views.target_depth, views.K_target).flatten(2)
    z = (views.source_T_target[:, :3, :3] @ points + views.source_T_target[:, :3, 3:])[
        :, 2
    ].view_as(shown)
    assert 0.8 < valid.float().mean() < 1
    off = (shown * z - 1).abs()[valid]
    assert (
        off.quantile(0.9) < 1e-4 and off.quantile(0.99) < 0.03
    )  # the rest along the edges of the corner
    shown, _ = warp.warp(views.source, *arguments)
    assert (shown - views.target).abs()[valid.expand_as(shown)].mean() < 0.01


def test_valid_means_known_in_front_and_in_the_picture():
    image, K = torch.rand(1, 3, 6, 9), matrix(SMALL, torch.float32)
    depth = torch.full((1, 1, 6, 9), 2.0)
    depth[0, 0, 1, 2], depth[0, 0, 3, 4], depth[0, 0, 5, 5] = float("nan"), 0.0, float("inf")
    depth.requires_grad_()
    pose = torch.zeros(1, 6, requires_grad=True)
    shown, valid = warp.warp(image, depth, warp.pose_to_matrix(pose), K)
    assert valid.sum() == 6 * 9 - 3 and not valid[0, 0, [1, 3, 5], [2, 4, 5]].any()
    shown.sum().backward()
    assert pose.grad.isfinite().all() and depth.grad.isfinite().all()
    back = torch.tensor(
        [[0.0, 0, 0, 0, 0, -3.0]], requires_grad=True
    )  # every point ends up behind the source camera
    shown, valid = warp.warp(image, torch.full((1, 1, 6, 9), 2.0), warp.pose_to_matrix(back), K)
    shown.sum().backward()
    assert not valid.any() and back.grad.isfinite().all()
    # one pixel of shift, fx * t / z = 1, leaves the picture on one side only
    step = torch.tensor([[0.0, 0, 0, 2 / 7.0, 0, 0]])
    valid = warp.warp(image, torch.full((1, 1, 6, 9), 2.0), warp.pose_to_matrix(step), K)[1]
    assert valid[..., :8].all() and not valid[..., 8].any()


def test_gradients_of_the_warp_are_true():
    rng = torch.Generator().manual_seed(2)
    image = torch.rand(1, 2, 7, 8, generator=rng, dtype=torch.float64).requires_grad_()
    depth = (2 + torch.rand(1, 1, 6, 9, generator=rng, dtype=torch.float64)).requires_grad_()
    pose = torch.tensor(
        [[0.02, -0.03, 0.05, 0.11, -0.07, 0.13]], dtype=torch.float64, requires_grad=True
    )
    K_source = matrix(Camera(8, 7, 6.5, 7.5, 3.6, 3.3))

    def show(image, depth, pose):
        return warp.warp(image, depth, warp.pose_to_matrix(pose), matrix(SMALL), K_source)[0]

    assert gradcheck(show, (image, depth, pose))
    assert gradcheck(
        lambda i, d: warp.warp_disparity(i, d, -1)[0],
        (image[:, :, :6], depth[..., :8].detach() * 0.7),
    )


def test_autocast_does_not_coarsen_coordinates(views):
    arguments = (
        views.source,
        views.target_depth,
        views.source_T_target,
        views.K_target,
        views.K_source,
    )
    exact = warp.warp(*arguments)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        T = warp.pose_to_matrix(views.pose)
        torch.testing.assert_close(T, views.source_T_target)
        assert torch.equal(warp.warp(*arguments)[0], exact)
        wide = warp.resize_intrinsics(views.K_target, 2.0, 3.0)
    np.testing.assert_allclose(
        wide[0], Camera(96, 56, 80.0, 84.0, 44.25, 30.5).resized(168, 192).K, rtol=1e-6
    )


def test_one_picture_seen_by_two_cameras_is_one_canonical_motion():
    """A world stretched along z by fx / focal_px gives the same picture, and the same flow for
    the scaled motion.
    """
    canonical = torch.tensor([[0.002, -0.003, 0.004, 0.03, -0.02, 0.05]], dtype=torch.float64)
    depth = 3 + torch.rand(
        1, 1, 6, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )
    flows = []
    for focal in (
        40.0,
        50.0,
    ):  # narrow pictures: the change of camera is true to first order in the angles
        s = focal / 40.0
        K = torch.tensor([[[focal, 0, 4.25], [0, focal, 2.75], [0, 0, 1]]], dtype=torch.float64)
        T = warp.pose_to_matrix(
            warp.canonical_pose_to_metric(canonical, torch.tensor([focal]), 40.0)
        )
        points = T[:, :3, :3] @ warp.unproject(s * depth, K).flatten(2) + T[:, :3, 3:]
        flows.append(warp.project(points.view(1, 3, 6, 9), K)[0])
    moved = flows[0] - torch.as_tensor(projection.pixel_grid(6, 9)).permute(2, 0, 1)
    assert moved.norm(dim=1).mean() > 0.2
    assert (flows[0] - flows[1]).abs().max() < 0.01


def test_canonical_and_metric_poses_are_inverse():
    pose = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(4))
    fx = torch.tensor([[300.0, 400.0, 500.0]]).expand(2, 3)
    metric = warp.canonical_pose_to_metric(pose, fx, 200.0)
    torch.testing.assert_close(metric[0, 1], pose[0, 1] * torch.tensor([0.5, 0.5, 1, 1, 1, 2]))
    torch.testing.assert_close(warp.metric_pose_to_canonical(metric, fx, 200.0), pose)
    assert torch.equal(warp.canonical_pose_to_metric(pose, fx, 0), pose)
    assert torch.equal(warp.metric_pose_to_canonical(pose, fx, 0), pose)
