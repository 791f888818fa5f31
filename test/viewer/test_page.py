"""The page: what a moment is made of, a file that opens again, and both in a real browser."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from depth_ros.cli import main as cli
from depth_ros.core.camera import Camera
from depth_ros.viewer import snapshot

ROOT = Path(__file__).resolve().parents[2]


def decoded(content):
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_points_lie_where_the_camera_saw_them():
    camera = Camera(640, 480, 500.0, 520.0, 310.0, 250.0)
    depth = np.full((480, 640), 5.0, np.float32)
    depth[:, 320:] = np.nan
    depth[400:, :] = 90.0  # beyond what is drawn
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    points, colours = snapshot.cloud(depth, camera, image)
    assert (
        points.shape == (100 * 80, 3) and points.dtype == np.float32
    )  # every fourth of 400 rows and 320 columns
    u = points[:, 0] / points[:, 2] * 500.0 + 310.0
    v = points[:, 1] / points[:, 2] * 520.0 + 250.0
    np.testing.assert_allclose([u[-1], v[-1]], [316, 396], atol=1e-3)
    np.testing.assert_array_equal(colours[-1], image[396, 316])


def test_pictures_are_small_and_say_near_and_far():
    depth = np.full((480, 640), 8.0, np.float32)
    depth[:, :320], depth[:100] = 1.0, np.nan
    picture = decoded(snapshot.depth_picture(depth))
    assert picture.shape == (360, 480, 3)
    near, far, unknown = (
        picture[place].astype(int) for place in ((200, 100), (200, 400), (30, 200))
    )
    assert near[0] > near[2] + 50 and far[2] > far[0] and unknown.max() < 12  # red, blue, black
    sure = decoded(snapshot.sigma_picture(depth, 0.001 * depth))[200, 100]
    unsure = decoded(snapshot.sigma_picture(depth, 0.2 * depth))[200, 100]
    assert sure.max() < 20 and unsure.min() > 100


def colourful(picture):
    """Pixels of strong colour: the viewer itself has hardly any, random texture and coloured
    depth are full of them.
    """
    return int((np.ptp(picture.astype(int), axis=2) > 60).sum())


def run_view(*arguments):
    return CliRunner().invoke(cli.main, ["view", *map(str, arguments)])


def test_what_is_missing_is_said(monkeypatch, rerun, tmp_path):
    assert "one of them only" in run_view().stderr
    assert "nothing at this path" in run_view(tmp_path / "none.rrd").stderr
    (tmp_path / "other.rrd").write_text("not Rerun's")
    assert "got another kind" in run_view(tmp_path / "other.rrd").stderr
    result = run_view(tmp_path / "none")
    assert (
        "nothing at this path" in result.stderr and "http" not in result.output
    )  # no page was promised
    monkeypatch.setitem(sys.modules, "rerun", None)
    result = run_view(tmp_path)
    assert result.exit_code == 2 and "pip install rerun-sdk" in result.stderr


@pytest.fixture
def wall_bag(make_bag):
    return make_bag(n=4)


def test_bag_in_a_browser(rerun, wall_bag, tmp_path, browser):
    """From a bag to a file, from the file to a page, and the page shows pictures and points."""
    saved = tmp_path / "page.rrd"
    result = run_view(wall_bag, "--backend", "sgbm", "--max-disparity-px", 32, "--save", saved)
    assert result.exit_code == 0, result.output
    assert saved.stat().st_size > 10_000 and [child.name for child in tmp_path.glob("*.rrd*")] == [
        "page.rrd"
    ]
    port = 20_000 + os.getpid() % 10_000 * 2
    command = [sys.executable, "-m", "depth_ros", "view", str(saved), "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().strip()
        browser.open(address)
        shown = browser.wait(lambda: colourful(browser.screenshot()[60:580, :426]) > 5000, 60)
        picture = browser.screenshot()
        if folder := os.environ.get("DEPTH_ROS_PICTURES"):
            cv2.imwrite(f"{folder}/view.png", picture)
        assert shown, "the page stayed empty"
        time.sleep(1.5)
        turned = np.abs(
            browser.screenshot()[100:560, 440:].astype(int) - picture[100:560, 440:]
        ).max(2)
        assert (turned > 30).sum() > 50, "the points do not turn"
        outside = browser.value(
            "performance.getEntriesByType('resource').map(e => e.name).join(' ')"
        ).split()
        assert all(
            "127.0.0.1" in name for name in outside if name.endswith((".js", ".wasm", ".css"))
        ), outside
    finally:
        server.terminate()
        server.wait(10)
