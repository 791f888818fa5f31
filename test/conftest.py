"""The one asymmetric test world: W != H, fx != fy, an off-centre principal point."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from bags import bag_builder, make_bag, make_scene, mono_bag, pair  # noqa: F401 - fixtures

from depth_ros.core.camera import Calibration, Camera, StereoRig

WIDTH, HEIGHT, FX, FY, CX, CY, BASELINE_M = 96, 56, 80.0, 84.0, 44.25, 30.5, 0.21


@pytest.fixture
def camera():
    return Camera(WIDTH, HEIGHT, FX, FY, CX, CY)


@pytest.fixture
def rig(camera):
    return StereoRig(camera, BASELINE_M)


@pytest.fixture
def make_calibration():
    """A factory: the left camera_info of the test world, fields replaced by name."""

    def make(baseline_m=0.0, **changes):
        values = {
            "width": WIDTH,
            "height": HEIGHT,
            "model": "plumb_bob",
            "D": (0.0,) * 5,
            "K": (FX, 0, CX, 0, FY, CY, 0, 0, 1),
            "R": (1, 0, 0, 0, 1, 0, 0, 0, 1),
            "P": (FX, 0, CX, -FX * baseline_m, 0, FY, CY, 0, 0, 0, 1, 0),
        }
        return Calibration(**{**values, **changes})

    return make


@pytest.fixture
def make_pair():
    """A factory: a random RGB pair of which each pixel has the same whole disparity."""

    def make(disparity_px, height=HEIGHT, width=WIDTH):
        wide = np.random.default_rng(3).integers(
            0, 256, (height, width + disparity_px, 3), dtype=np.uint8
        )
        return wide[:, :width].copy(), wide[:, disparity_px:].copy()

    return make


@pytest.fixture(scope="session")
def shared_data():
    """The recordings beside the repository; tests that need them are skipped where they are
    absent.
    """
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no recordings at {path}")
    return path


@pytest.fixture
def browser(tmp_path):
    """A browser, where there is one."""
    from browser import Browser

    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium in the path")
    with Browser(program, tmp_path / "profile") as opened:
        yield opened
