"""KITTI's trajectories 09 and 10 driven through a rendered street: whole sequences, exact poses,
no real images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import InputError
from depth_ros.core.types import Frame
from depth_ros.recordings.output import write_bytes, write_json
from depth_ros.recordings.sample import Sample, Source
from depth_ros.synthetic import raycast, renderer, shading
from depth_ros.synthetic.places import buildings, materials, outdoors
from experiments.odometry import route, screen

# P0 and P1 of KITTI odometry's sequences 04 to 12 (Geiger et al. 2012), 1226x370
KITTI_RIG = StereoRig(
    Camera(1226, 370, 707.0912, 707.0912, 601.8873, 183.1104), 379.8145 / 707.0912
)
PERIOD_NS = 100_000_000  # nominal: the times of the recordings are not in the trajectory files
_START_NS = 1_000_000_000_000
_GAIN, _NOISE, _QUALITY = 1.15, 0.006, 95  # of the rendered light; of full scale; JPEG


def read_kitti_poses(path: str | Path) -> np.ndarray:
    """Read a trajectory in KITTI's format, twelve numbers a line: (N, 4, 4) world_T_camera, metres,
    optical axes.

    Raises InputError for a file that is not there or has other lines.
    """
    try:
        lines = Path(path).read_text().splitlines()
        rows = np.array([line.split() for line in lines if line.strip()], np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected lines of twelve numbers, got {error}") from error
    if rows.shape[1:] != (12,) or not np.isfinite(rows).all():
        raise InputError(
            f"{path}: expected lines of twelve finite numbers, got an array of {rows.shape}"
        )
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = rows.reshape(-1, 3, 4)
    return poses


class RenderedSequence(Source):
    """A source of stereo samples: the poses of a file through a street of our own, rendered once
    and kept on disk.

    name says "rendered". folder: of the pictures; what an interrupted run has left is used,
    pictures of other code, poses, size or seed are an error. height, width: of the pictures;
    KITTI's calibration is scaled with them. Raises InputError for unusable poses, or a folder that
    holds other pictures.
    """

    is_sequence = True
    has_poses = True

    def __init__(
        self,
        poses: str | Path,
        folder: str | Path,
        height: int = 188,
        width: int = 620,
        seed: int = 9,
    ):
        super().__init__()
        self.poses = read_kitti_poses(poses)
        self.name = f"kitti{Path(poses).stem}_rendered"
        self.rig = KITTI_RIG.resized(height, width)
        self.folder = Path(folder)
        self.seed = seed
        self._route: route.Route | None = None
        self._claim()

    def __len__(self) -> int:
        return len(self.poses)

    def __iter__(self) -> Iterator[Sample]:
        for i in range(len(self)):
            yield self.sample(i)

    def sample(self, i: int) -> Sample:
        """Return frame i, rendered now where no run before has done so; its pose is exact."""
        self.render(i)
        left, right = (cv2.imread(str(path))[..., ::-1] for path in self._paths(i))
        stamp_ns = _START_NS + i * PERIOD_NS
        frame = Frame(
            stamp_ns,
            "left_optical",
            np.ascontiguousarray(left),
            np.ascontiguousarray(right),
            self.rig,
        )
        return Sample(f"{i:06d}", frame, world_T_camera=self.poses[i])

    def render(self, i: int) -> bool:
        """Render frame i unless its files are there; True where it had to."""
        paths = self._paths(i)
        if all(path.is_file() for path in paths):
            return False
        if self._route is None:
            self._route = route.street_along(self.poses, np.random.default_rng(self.seed))
        scene = self._route.near(i)
        step = np.eye(4)
        step[0, 3] = self.rig.baseline_m
        for k, (path, pose) in enumerate(zip(paths, (self.poses[i], self.poses[i] @ step))):
            picture = _develop(
                screen.render_on_screen(scene, self.rig.left, pose)["rgb"], seed=2 * i + k
            )
            _, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            write_bytes(path, data.tobytes())
        return True

    def render_all(self, on_step: Callable[[], None] = lambda: None) -> int:
        """Render what is missing; returns how many pairs that were."""
        count = 0
        for i in range(len(self)):
            count += self.render(i)
            on_step()
        return count

    def _paths(self, i: int) -> tuple[Path, Path]:
        return self.folder / "left" / f"{i:06d}.jpg", self.folder / "right" / f"{i:06d}.jpg"

    def _claim(self) -> None:
        """Note in the folder what its pictures depend on, or see that it is the same."""
        digest = hashlib.sha256(
            self.poses.tobytes() + f"{self.seed} {self.rig} {_GAIN} {_NOISE}".encode()
        )
        for module in (renderer, screen, raycast, shading, route, buildings, materials, outdoors):
            digest.update(Path(module.__file__).read_bytes())
        key = digest.hexdigest()
        note = self.folder / "rendered.json"
        camera = self.rig.left
        about = {
            "what": "rendered, not real",
            "key": key,
            "fx": camera.fx,
            "cx": camera.cx,
            "cy": camera.cy,
            "baseline_m": self.rig.baseline_m,
            "size": [camera.width, camera.height],
        }
        if not note.is_file():
            write_json(note, about)
        elif json.loads(note.read_text()).get("key") != key:
            raise InputError(
                f"{self.folder}: expected pictures of this code and size, got others: "
                "remove the folder"
            )


def _develop(rgb: np.ndarray, seed: int) -> np.ndarray:
    """The sensor's picture (H, W, 3) uint8 of light in [0, 1]: a fixed exposure and a little
    noise.
    """
    noise = (
        np.random.default_rng(seed).normal(0, _NOISE, rgb.shape[:2]).astype(np.float32)[..., None]
    )
    return np.rint(255 * np.clip(rgb * _GAIN + noise, 0, 1)).astype(np.uint8)
