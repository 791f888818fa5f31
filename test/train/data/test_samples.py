"""Samples of the procedural world: whatever the augmentation did, depth, K and poses still
explain the pictures.
"""

from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.camera import Camera, StereoRig  # noqa: E402
from depth_ros.core.errors import InputError  # noqa: E402
from depth_ros.synthetic.renderer import render_stereo  # noqa: E402
from depth_ros.synthetic.scenes import clip_scene  # noqa: E402
from train.data.samples import Samples  # noqa: E402
from train.data.view import View  # noqa: E402

CAMERA = Camera(120, 72, 100.0, 104.0, 55.25, 38.5)
BASELINE_M = 0.12


class Drive:
    """Four frames of a camera that moves in three directions and turns."""

    def __init__(self, **changes):
        self.changes = changes

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return replace(_rendered(index), **self.changes)

    def neighbour(self, index, offset):
        return index + offset if 0 <= index + offset < 4 else None


@lru_cache
def _rendered(index):
    angle = 0.03 * index
    pose = np.eye(4)
    pose[:3, :3] = [
        [np.cos(angle), 0, np.sin(angle)],
        [0, 1, 0],
        [-np.sin(angle), 0, np.cos(angle)],
    ]
    pose[:3, 3] = 0.05 * index, -0.03 * index, 0.11 * index
    pair = render_stereo(clip_scene(), StereoRig(CAMERA, BASELINE_M), pose)
    return View(
        pair["left"],
        CAMERA,
        pair["right"],
        BASELINE_M,
        pair["depth"],
        world_T_camera=pose,
        name=f"frame {index}",
    )


def photometric(image, other, depth, other_T_image, K):
    """Median |difference| between a picture and another one looked up where depth and pose say
    it was seen.
    """
    height, width = depth.shape
    v, u = np.mgrid[:height, :width]
    points = np.linalg.inv(K) @ np.stack([u, v, np.ones_like(u)]).reshape(3, -1) * depth.ravel()
    moved = K @ (other_T_image[:3, :3] @ points + other_T_image[:3, 3:])
    with np.errstate(invalid="ignore"):
        at = [(moved[i] / moved[2]).reshape(height, width).astype(np.float32) for i in (0, 1)]
    seen = cv2.remap(
        other, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(np.nan,) * 3
    )
    return float(np.nanmedian(np.abs(seen - image)))


def arrays(sample):
    return {k: v.numpy().astype(np.float32) for k, v in sample.items()}


def rows(image):
    return np.ascontiguousarray(image.transpose(1, 2, 0))


@pytest.mark.parametrize("epoch", range(6))
def test_depth_and_pose_explain_the_pictures_after_augmentation(epoch):
    sample = arrays(Samples(Drive(), 64, 96, offsets=(-1, 1), stereo=True)[1, epoch])
    target, depth, K = rows(sample["image"]), sample["depth"][0], sample["K"]
    poses = [*sample["source_T_target"], sample["right_T_target"]]
    for other, pose in zip([*sample["sources"], sample["right"]], poses):
        right = photometric(target, rows(other), depth, pose, K)
        wrong = photometric(target, rows(other), depth, np.linalg.inv(pose), K)
        assert right < 0.02 and wrong > 2 * right


def test_the_mirror_puts_the_right_camera_at_the_left_or_swaps_it():
    samples = Samples(Drive(), 72, 120, stereo=True)
    shifts = {round(float(samples[0, epoch]["right_T_target"][0, 3]), 4) for epoch in range(12)}
    assert shifts == {-BASELINE_M, BASELINE_M}
    swapped = Samples(Drive(), 72, 120, offsets=(1,), stereo=True, mirror="swap")
    for epoch in range(8):
        sample = arrays(swapped[0, epoch])
        assert sample["right_T_target"][0, 3] == pytest.approx(-BASELINE_M)
        if np.isnan(
            sample["depth"]
        ).all():  # the mirrored right picture; the left one lies at its right
            cx = Samples(Drive(), 72, 120, stereo=True, mirror="none")[0, epoch]["K"][0, 2].item()
            assert sample["K"][0, 2] == pytest.approx(119 - cx, abs=1e-3)
            return
    pytest.fail("expected a swapped sample out of eight")


def test_swapped_poses_are_those_of_the_right_camera():
    """The left camera turns about itself, so that the right one moves on a circle of the
    baseline.
    """
    from train.data.samples import mirrored_view, source_T_target

    first, turned = (
        _rendered(0),
        replace(_rendered(0), world_T_camera=np.diag([-1.0, 1, -1, 1])),
    )  # half a turn
    motion = source_T_target(mirrored_view(turned, swap=True), mirrored_view(first, swap=True))
    np.testing.assert_allclose(np.abs(motion[:3, 3]), [2 * BASELINE_M, 0, 0], atol=1e-9)


def test_without_augmentation_the_crop_is_central_and_the_camera_known():
    sample = Samples(Drive(), 64, 96, augment=False)[2]
    # 120 x 72 covers 96 x 64 at 8/9: 107 x 64, of which 6 columns (half of 11, to even) are cut at
    # the left
    fx, cx = 100 * 107 / 120, (55.25 + 0.5) * 107 / 120 - 0.5 - 6
    np.testing.assert_allclose(sample["K"][0], [fx, 0, cx], rtol=1e-6)
    assert torch.equal(sample["image"], sample["image_aug"])
    assert set(sample) == {"image", "image_aug", "K", "depth"}


def test_one_key_one_sample():
    samples = Samples(Drive(), 64, 96, offsets=(1,), stereo=True, seed=4)
    again = Samples(Drive(), 64, 96, offsets=(1,), stereo=True, seed=4)
    for a, b in zip(samples[1, 7].values(), again[1, 7].values()):
        assert torch.equal(a, b)
    assert not torch.equal(samples[1, 7]["image"], samples[1, 8]["image"])


def test_the_ends_have_no_neighbours():
    assert len(Samples(Drive(), 64, 96, offsets=(-1, 1))) == 2
    with pytest.raises(InputError, match="neighbours"):
        Samples(Drive(), 64, 96, offsets=(9,))


def test_disparity_gives_depth_and_unknown_poses_are_nan():
    disparity = np.full((72, 120), 6.0, np.float32)
    disparity[:, :30] = np.nan
    sample = Samples(Drive(depth=None, disparity=disparity), 72, 120, augment=False)[0]
    assert sample["depth"][0, 5, 60].item() == pytest.approx(100 * BASELINE_M / 6)
    assert sample["depth"][0, :, :30].isnan().all()
    assert "source_T_target" not in Samples(Drive(world_T_camera=None), 64, 96, offsets=(1,))[0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="stereo"):
        Samples(Drive(right=None), 64, 96, stereo=True)
    with pytest.raises(InputError, match="size"):
        Samples(Drive(image=np.zeros((72, 100, 3), np.uint8)), 64, 96)[0]


def test_batches_collate():
    loader = torch.utils.data.DataLoader(
        Samples(Drive(), 64, 96, offsets=(-1, 1), stereo=True), batch_size=2
    )
    batch = next(iter(loader))
    assert batch["sources"].shape == (2, 2, 3, 64, 96) and batch["baseline_m"].shape == (2,)
