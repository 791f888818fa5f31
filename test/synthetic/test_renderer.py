"""The procedural world against analytic geometry, and against itself seen from the other camera."""

from dataclasses import replace

import numpy as np
import pytest

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.synthetic import raycast, renderer
from depth_ros.synthetic.places import random_street
from depth_ros.synthetic.scenes import clip_pose, clip_rig, clip_scene, random_rig, random_scene

CAMERA = Camera(40, 24, 31.0, 29.0, 18.25, 12.75)  # asymmetric on purpose


def one_shape(kind, center, axes=None, half=(50.0, 50.0, 50.0)):
    row = dict(
        kind=np.array([kind]),
        center=np.array([center]),
        axes=np.array([np.eye(3) if axes is None else axes]),
        half=np.array([half]),
        cutout=np.zeros(1),
        freq=np.ones(1),
        gain=np.full(1, 0.7),
        stripes=np.zeros(1),
        stripe_dir=np.ones((1, 3)),
        sharp=np.full(1, 5.0),
        colors=np.random.default_rng(0).random((1, 3, 3)),
        mirror=np.zeros(1),
        offset=np.zeros((1, 3)),
        light=np.array([0, -1.0, 0]),
    )
    return renderer.Scene(**{k: v if k == "kind" else v.astype(np.float32) for k, v in row.items()})


def rays():
    v, u = np.mgrid[:24, :40]
    return (u - 18.25) / 31.0, (v - 12.75) / 29.0


def test_slanted_plane_has_its_analytic_depth():
    normal = np.array([0.3, -0.2, -1.0]) / np.linalg.norm([0.3, -0.2, -1.0])
    across = np.cross(normal, [0, 1.0, 0])
    across /= np.linalg.norm(across)
    scene = one_shape(
        renderer.QUAD, [0.1, -0.2, 5.0], np.stack([across, np.cross(normal, across), normal])
    )
    x, y = rays()
    expected = normal @ [0.1, -0.2, 5.0] / (normal[0] * x + normal[1] * y + normal[2])
    np.testing.assert_allclose(renderer.render(scene, CAMERA)["depth"], expected, rtol=1e-5)


def test_sphere_from_a_moved_and_turned_camera():
    pose = clip_pose(4)
    center = (pose @ [0.3, -0.2, 4.0, 1])[:3]
    depth = renderer.render(
        one_shape(renderer.ELLIPSOID, center, half=(0.9, 0.9, 0.9)), CAMERA, pose
    )["depth"]
    x, y = rays()
    a, b, c = x * x + y * y + 1, 0.3 * x - 0.2 * y + 4.0, 0.3**2 + 0.2**2 + 16 - 0.81
    with np.errstate(invalid="ignore"):
        expected = (b - np.sqrt(b * b - a * c)) / a
    inner = np.isfinite(expected) & np.isfinite(depth)
    assert (np.isfinite(expected) != np.isfinite(depth)).mean() < 0.01
    np.testing.assert_allclose(depth[inner], expected[inner], rtol=2e-3)


def test_box_and_tube_stand_where_they_should():
    box = renderer.render(one_shape(renderer.BOX, [0, 0, 4.0], half=(0.5, 0.5, 0.5)), CAMERA)[
        "depth"
    ]
    assert box[12, 18] == pytest.approx(3.5) and np.isnan(box[0, 0])
    tube = renderer.render(one_shape(renderer.TUBE, [0, 0, 4.0], half=(0.25, 9.0, 0.25)), CAMERA)[
        "depth"
    ]
    assert tube[2, 18] == pytest.approx(3.75, abs=0.01) and np.isnan(tube[2, 30])


def test_right_picture_is_the_left_one_moved_by_the_disparity():
    rig = StereoRig(Camera(96, 64, 80.0, 78.0, 46.0, 33.0), 0.2)
    pair = renderer.render_stereo(one_shape(renderer.QUAD, [0, 0, 2.0]), rig)
    np.testing.assert_allclose(pair["disparity"], 8.0, rtol=1e-5)
    moved = pair["right"][:, :-8].astype(int) - pair["left"][:, 8:].astype(int)
    assert np.abs(moved).max() <= 1
    np.testing.assert_array_equal(pair["occluded"], np.broadcast_to(np.arange(96) < 8, (64, 96)))


def test_what_a_foreground_hides_is_marked_occluded():
    depth = np.full((1, 20), 8.0)
    depth[:, 12:15] = 2.0  # disparities 2 and 8
    right = np.full((1, 20), 8.0)
    right[:, 4:7] = 2.0
    occluded = renderer.occluded_pixels(depth, right, np.where(depth == 2.0, 8.0, 2.0))
    assert np.flatnonzero(occluded[0]).tolist() == [0, 1, 6, 7, 8]


def test_random_scenes_are_deterministic_diverse_and_complete():
    pairs = []
    for seed in (3, 3, 4):
        rng = np.random.default_rng(seed)
        rig = random_rig(rng, 48, 64)
        pairs.append(renderer.render_stereo(random_scene(rng, rig), rig))
    np.testing.assert_array_equal(pairs[0]["left"], pairs[1]["left"])
    assert (pairs[0]["left"] != pairs[2]["left"]).mean() > 0.5
    assert all(
        np.isfinite(p["depth"]).mean() > 0.99 and 0 < p["occluded"].mean() < 0.6 for p in pairs
    )


def test_torch_and_numpy_render_the_same_world():
    torch = pytest.importorskip("torch")
    camera = clip_rig(48, 64).left
    one = renderer.render(clip_scene(), camera, clip_pose(3))
    other = renderer.render(clip_scene(), camera, clip_pose(3), xp=torch)
    same = one["shape"] == other["shape"].numpy()
    assert same.mean() > 0.995
    np.testing.assert_allclose(one["depth"][same], other["depth"].numpy()[same], rtol=1e-4)
    assert np.median(np.abs(one["rgb"] - other["rgb"].numpy())) < 1e-4


def with_sky(scene, ambient=0.5, lamps=(), lamp_reach=1.0):
    """The scene under a grey sky without haze, its shapes without texture."""
    count = len(scene.kind)
    values = (
        (0.2, 0.3, 0.9),
        (0.8, 0.8, 0.8),
        (1, 1, 1),
        0.0,
        0.0,
        ambient,
        np.reshape(lamps, (-1, 3)),
        lamp_reach,
    )
    return replace(
        scene,
        sky=renderer.Sky(*(np.asarray(v, np.float32) for v in values)),
        glow=np.zeros(count, np.float32),
        cells=np.zeros((count, 3), np.float32),
        fill=np.ones((count, 3), np.float32),
        vary=np.zeros(count, np.float32),
        cell_color=np.zeros((count, 3), np.float32),
        colors=np.full((count, 3, 3), 0.8, np.float32),
    )


def joined(*scenes):
    told = {
        f: [getattr(s, f) for s in scenes] for f in vars(scenes[0]) if f not in ("light", "sky")
    }
    return replace(
        scenes[0], **{f: np.concatenate(rows) for f, rows in told.items() if rows[0] is not None}
    )


LYING = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def test_ground_below_the_horizon_and_sky_above_it():
    ground = with_sky(one_shape(renderer.QUAD, [0, 1.5, 0.0], LYING, (1e4, 1e4, 1)))
    view = renderer.render(ground, CAMERA)
    _, y = rays()
    expected = np.where(y > 0, 1.5 / np.where(y > 0, y, 1.0), np.nan)  # camera height over slope
    np.testing.assert_allclose(view["depth"], expected, rtol=1e-4)
    np.testing.assert_array_equal(view["shape"], np.where(y > 0, 0, -1))
    assert view["rgb"][0, 20, 2] > view["rgb"][0, 20, 0] + 0.1  # blue above


def test_a_box_throws_its_shadow_straight_down_under_a_light_straight_above():
    ground, box = (
        one_shape(renderer.QUAD, [0, 2.0, 6.0], LYING),
        one_shape(renderer.BOX, [0, 0.0, 6.0], half=(1.0, 0.25, 1.0)),
    )
    scene = with_sky(joined(ground, box), ambient=0.5)
    view = renderer.render(scene, CAMERA)
    x, y = rays()
    floor = (view["shape"] == 0) & (y > 0.25)
    where_x, where_z = x * view["depth"], view["depth"]
    under = floor & (np.abs(where_x) < 0.85) & (np.abs(where_z - 6) < 0.85)
    beside = floor & ((np.abs(where_x) > 1.2) | (np.abs(where_z - 6) > 1.2))
    assert under.any() and beside.any()
    np.testing.assert_allclose(view["rgb"][under], 0.8 * 0.5, atol=1e-3)
    np.testing.assert_allclose(view["rgb"][beside & (view["depth"] < 12)], 0.8, atol=1e-3)


def test_cells_lie_where_their_period_says():
    scene = with_sky(one_shape(renderer.QUAD, [0, 0, 2.0], half=(2.0, 2.0, 1.0)), ambient=1.0)
    cells, fill = np.array([[1.0, 0, 0]], np.float32), np.array([[0.5, 1, 1]], np.float32)
    rgb = renderer.render(replace(scene, cells=cells, fill=fill), CAMERA)["rgb"]
    x = rays()[0] * 2.0
    off = np.abs(
        x - np.floor(x) - 0.5
    )  # from the middle of a cell, whose first begins at the edge, x = -2
    np.testing.assert_allclose(rgb[off < 0.25 - 0.04], 0.02, atol=1e-3)
    np.testing.assert_allclose(rgb[off > 0.25 + 0.04], 0.8, atol=1e-3)


def test_torch_and_numpy_render_the_same_street():
    torch = pytest.importorskip("torch")
    place = random_street(np.random.default_rng(2))
    one = renderer.render(place.scene, CAMERA, place.world_T_camera)
    other = renderer.render(place.scene, CAMERA, place.world_T_camera, xp=torch)
    same = one["shape"] == other["shape"].numpy()
    assert same.mean() > 0.99
    np.testing.assert_allclose(one["depth"][same], other["depth"].numpy()[same], rtol=1e-3)
    assert np.median(np.abs(one["rgb"] - other["rgb"].numpy())) < 1e-3


def test_skipping_far_shapes_changes_nothing(monkeypatch):
    rng = np.random.default_rng(3)
    rig = random_rig(rng, 48, 64)
    scene = random_scene(rng, rig)
    fast = renderer.render(scene, rig.left, clip_pose(4))

    def everything(scene, origin, rays, depth, xp):
        return ((n, np.arange(len(rays))) for n in range(len(scene.kind)))

    monkeypatch.setattr(raycast, "_candidates", everything)
    slow = renderer.render(scene, rig.left, clip_pose(4))
    np.testing.assert_allclose(fast["depth"], slow["depth"], rtol=1e-5)
    assert (fast["shape"] == slow["shape"]).mean() > 0.999
