"""KITTI's calibration files as cameras, baselines and lidar poses (Geiger et al., IJRR 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError
from depth_ros.core.projection import transform_points

from .files import keyed, points_to_depth, read_keyed


@dataclass(frozen=True, eq=False)
class KittiRig:
    """A rectified pair: K (3,3) px of both, baseline_m, left_T_cam0 and right_T_cam0 (4,4),
    cam0_T_velo | None.

    cam0 is the left grey camera, rectified: KITTI's projections, poses and lidar calibration all
    start there.
    """

    K: np.ndarray
    baseline_m: float
    left_T_cam0: np.ndarray
    right_T_cam0: np.ndarray
    cam0_T_velo: np.ndarray | None

    def camera(self, image: np.ndarray) -> Camera:
        """Return the camera of an (H, W, ...) image of either side."""
        K = self.K
        return Camera(image.shape[1], image.shape[0], K[0, 0], K[1, 1], K[0, 2], K[1, 2])

    def lidar_depth(self, path: Path, camera: Camera, side: str) -> np.ndarray | None:
        """Draw a velodyne .bin (float32 x y z reflectance) into the left or right (side "l" or "r")
        image, (H, W) m.

        None where the file or the calibration of the lidar is not there. Raises InputError for a
        truncated file.
        """
        if self.cam0_T_velo is None or not path.is_file():
            return None
        values = np.fromfile(path, "<f4")
        if values.size % 4:
            raise InputError(
                f"{path}: expected four float32 a point, got {values.size} numbers: truncated?"
            )
        if side == "l":
            camera_T_cam0 = self.left_T_cam0
        else:
            camera_T_cam0 = self.right_T_cam0
        return points_to_depth(
            transform_points(camera_T_cam0 @ self.cam0_T_velo, values.reshape(-1, 4)[:, :3]), camera
        )


def raw_rig(day: Path) -> KittiRig:
    """Read calib_cam_to_cam.txt and, where it is there, calib_velo_to_cam.txt of a day of KITTI
    raw: colour cameras.
    """
    path = day / "calib_cam_to_cam.txt"
    velo_path = day / "calib_velo_to_cam.txt"
    calib = read_keyed(path)
    left, right = (keyed(calib, f"P_rect_0{index}", (3, 4), path) for index in (2, 3))
    cam0_T_velo = None
    if velo_path.is_file():
        velo = read_keyed(velo_path)
        rectified = np.eye(4)
        cam0_T_velo = np.eye(4)
        rectified[:3, :3] = keyed(calib, "R_rect_00", (3, 3), path)
        cam0_T_velo[:3, :3] = keyed(velo, "R", (3, 3), velo_path)
        cam0_T_velo[:3, 3] = keyed(velo, "T", (3,), velo_path)
        cam0_T_velo = rectified @ cam0_T_velo
    return _rig(left, right, cam0_T_velo, path)


def odometry_rig(path: Path, left: int) -> KittiRig:
    """Read calib.txt of an odometry sequence: cameras `left` and `left` + 1 (0 grey, 2 colour),
    Tr of the lidar.
    """
    calib = read_keyed(path)
    projections = (keyed(calib, f"P{index}", (3, 4), path) for index in (left, left + 1))
    cam0_T_velo = None
    if "Tr" in calib:
        cam0_T_velo = np.eye(4)
        cam0_T_velo[:3] = keyed(calib, "Tr", (3, 4), path)
    return _rig(*projections, cam0_T_velo, path)


def _rig(left, right, cam0_T_velo, path) -> KittiRig:
    """The rig of two projections P = K (I | t), where t moves cam0 into the camera."""
    shifts = []
    for P in (left, right):
        shift = np.eye(4)
        shift[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
        shifts.append(shift)
    baseline_m = shifts[0][0, 3] - shifts[1][0, 3]
    if not baseline_m > 0:
        raise InputError(
            f"{path}: expected a baseline above 0 m from the projections, got {baseline_m}"
        )
    return KittiRig(left[:, :3], float(baseline_m), shifts[0], shifts[1], cam0_T_velo)
