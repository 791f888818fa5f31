"""The demo as it is shipped, with a smaller clip."""

import json

import cv2
import numpy as np
import pytest

from depth_ros.cli import demo
from depth_ros.recordings.bag import Bag
from depth_ros.synthetic import demo_recording, scenes

FRAMES, HEIGHT, WIDTH = 4, 120, 160


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory):
    return demo_recording.cached_clip(
        tmp_path_factory.mktemp("demo") / "clip", FRAMES, HEIGHT, WIDTH
    )


def test_the_clip_reads_back_as_it_was_rendered(small_clip):
    samples = list(Bag(small_clip))
    assert [sample.frame.stamp_ns for sample in samples] == [
        10**12 + i * 10**8 for i in range(FRAMES)
    ]
    left, right, depth = demo_recording.render_frame(1, FRAMES, HEIGHT, WIDTH)
    frame, rig = samples[1].frame, scenes.clip_rig(HEIGHT, WIDTH)
    np.testing.assert_array_equal(frame.left, left)
    np.testing.assert_array_equal(frame.right, right)
    np.testing.assert_array_equal(samples[1].truth_depth, depth)
    assert frame.rig.left == rig.left and frame.rig.baseline_m == pytest.approx(
        rig.baseline_m, abs=1e-9
    )


def test_the_clip_is_rendered_once_and_again_when_it_changes(small_clip, monkeypatch):
    rendered = []
    monkeypatch.setattr(
        demo_recording, "write_clip", lambda path, *rest: (path.mkdir(), rendered.append(path))
    )
    assert (
        demo_recording.cached_clip(small_clip, FRAMES, HEIGHT, WIDTH) == small_clip and not rendered
    )
    other = small_clip.with_name("other")
    demo_recording.cached_clip(other, 1, HEIGHT, WIDTH)
    demo_recording.cached_clip(other, 2, HEIGHT, WIDTH)
    assert (
        len(rendered) == 2
        and [path.name for path in other.parent.iterdir() if path.name.startswith(".")] == []
    )


def test_the_demo_runs_over_dds_and_leaves_its_results(small_clip, tmp_path, monkeypatch, capsys):
    pytest.importorskip("rclpy")
    monkeypatch.setattr(demo, "cached_clip", lambda folder, frames, on_step: small_clip)
    assert demo.main(["--out", str(tmp_path), "--backend", "sgbm", "--frames", str(FRAMES)]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    frames = report["frames"]
    assert frames["in"] == FRAMES == frames["out"] + sum(frames["dropped"].values())
    assert 0 <= report["depth"]["abs_rel"] < 0.5 and report["stereo"]["coverage"] > 0.9
    assert (tmp_path / "report.html").stat().st_size > 1000
    assert cv2.imread(str(tmp_path / "frame_00.png")).shape == (HEIGHT, 4 * WIDTH, 3)
    points = int((tmp_path / "cloud.ply").read_bytes().split(b"element vertex ")[1].split()[0])
    assert 0.9 * HEIGHT * WIDTH < points <= HEIGHT * WIDTH
    printed = capsys.readouterr().out
    assert "mean relative error of depth" in printed and "dropped, by cause" in printed
