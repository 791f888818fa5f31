"""The one asymmetric test world: W != H, fx != fy, an off-centre principal point."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

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
        wide = np.random.default_rng(3).integers(0, 256, (height, width + disparity_px, 3), dtype=np.uint8)
        return wide[:, :width].copy(), wide[:, disparity_px:].copy()

    return make


@pytest.fixture(scope="session")
def shared_data():
    """The recordings beside the repository; tests that need them are skipped where they are absent."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"no recordings at {path}")
    return path


class Browser:
    """A headless Chromium with a profile of its own; software rendering, so that it runs anywhere."""

    def __init__(self, program, folder):
        self._command = [program, "--headless=new", "--no-sandbox", "--disable-gpu-sandbox", "--hide-scrollbars"]
        self._command += ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        self._command += [f"--user-data-dir={folder / 'profile'}"]
        self._folder = folder

    def dom(self, url):
        """The page's HTML after its scripts have run."""
        return self._run("--dump-dom", url).stdout

    def screenshot(self, url, size, wait_ms=0):
        """The page as (H, W, 3) uint8 BGR; size: (width, height). wait_ms: of the page's own clock."""
        import cv2

        path = self._folder / "page.png"
        wait = [f"--virtual-time-budget={wait_ms}"] if wait_ms else []
        self._run(f"--window-size={size[0]},{size[1]}", *wait, f"--screenshot={path}", url)
        return cv2.imread(str(path))

    def _run(self, *arguments):
        return subprocess.run([*self._command, *arguments], capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture
def browser(tmp_path):
    """A browser, where there is one."""
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next((found for name in names if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium in the path")
    return Browser(program, tmp_path)
