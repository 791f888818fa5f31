"""Pictures of places at true sizes: metres, intrinsics and poses that agree with each other."""

import json

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import EngineError, InputError
from depth_ros.synthetic.raster import mesh
from depth_ros.synthetic.raster.assets import AssetFolder
from depth_ros.synthetic.raster.culling import visible
from depth_ros.synthetic.raster.mono import PLACES, MonoWorld
from depth_ros.synthetic.raster.placement import placed
from depth_ros.synthetic.raster.scene import Light, Material, Part, Scene

SIZE = (96, 136)


@pytest.fixture(scope="module")
def mono_world():
    try:
        return MonoWorld(seed=4, textures=12)
    except EngineError as error:
        pytest.skip(f"no rasteriser here: {error}")


def world_points(view):
    v, u = np.mgrid[: SIZE[0], : SIZE[1]]
    camera = view.camera
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(SIZE)], -1)
    pose = view.world_T_camera
    return (view.depth_m[..., None] * rays) @ pose[:3, :3].T + pose[:3, 3]


@pytest.mark.parametrize("place", PLACES)
def test_the_floor_lies_at_zero_and_normals_fit_the_depth(mono_world, place):
    view = mono_world.view(np.random.default_rng(11), SIZE, place)
    assert view.place == place
    assert view.rgb.shape == (*SIZE, 3) and view.rgb.dtype == np.uint8
    points = world_points(view)
    normal = view.normal @ view.world_T_camera[:3, :3].T
    # below is down: whatever faces straight up and lies within 0.2 m of zero is floor, kerb or lawn
    up = (normal[..., 1] < -0.999) & (np.abs(points[..., 1]) < 0.2)
    highest = np.nanmax(points[..., 1])
    assert highest < 0.16 and (place == "desk" or up.mean() > 0.02)
    # two neighbours on one surface: the way between them is at right angles to the normal
    step = points[:, 1:] - points[:, :-1]
    length = np.linalg.norm(step, axis=-1)
    flat = np.abs(normal[:, 1:] - normal[:, :-1]).max(-1) < 1e-4
    same = (view.instance[:, 1:] == view.instance[:, :-1]) & flat & (length < 0.5)
    tilt = np.abs((step * normal[:, 1:]).sum(-1)) / length
    assert np.percentile(tilt[same], 90) < 0.02


def test_clip_moves_through_one_place(mono_world):
    views = mono_world.clip(np.random.default_rng(2), SIZE, 3, "room")
    first, second, third = (view.world_T_camera for view in views)
    np.testing.assert_allclose(
        third[:3, 3] - second[:3, 3], second[:3, 3] - first[:3, 3], atol=1e-9
    )
    assert 0 < np.linalg.norm(second[:3, 3] - first[:3, 3]) < 1.5
    # what the first picture shows lies where the second one measures it
    points = world_points(views[0]).reshape(-1, 3)
    camera = views[1].camera
    seen = (points - second[:3, 3]) @ second[:3, :3]
    u = np.rint(camera.fx * seen[:, 0] / seen[:, 2] + camera.cx)
    v = np.rint(camera.fy * seen[:, 1] / seen[:, 2] + camera.cy)
    inside = (u >= 0) & (u < SIZE[1]) & (v >= 0) & (v < SIZE[0]) & (seen[:, 2] > 0.1)
    measured = views[1].depth_m[v[inside].astype(int), u[inside].astype(int)]
    ratio = np.abs(measured / seen[inside, 2] - 1)
    assert np.median(ratio) < 0.01
    assert (ratio < 0.05).mean() > 0.8


def test_same_numbers_take_the_same_picture(mono_world):
    first = mono_world.view(np.random.default_rng(8), SIZE, "yard")
    again = mono_world.view(np.random.default_rng(8), SIZE, "yard")
    np.testing.assert_array_equal(first.rgb, again.rgb)
    np.testing.assert_array_equal(first.depth_m, again.depth_m)


def test_unknown_places_and_folders_are_refused(mono_world, tmp_path):
    with pytest.raises(InputError, match="place out of"):
        mono_world.view(np.random.default_rng(0), SIZE, "moon")
    with pytest.raises(InputError, match=r"index\.json"):
        AssetFolder(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps([]))
    assert AssetFolder(tmp_path).models == {}


def test_culling_keeps_all_that_is_seen(renderer):
    rng = np.random.default_rng(6)
    camera = Camera(120, 80, 90.0, 95.0, 52.0, 44.0)
    pose = placed(np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]), np.array([1.0, 0.5, -2.0]))
    parts = [
        Part(mesh.box([2, 2, 2]), Material(), 1 + k, placed(np.eye(3), rng.uniform(-60, 60, 3)))
        for k in range(300)
    ]
    kept = visible(parts, [(camera, pose)])
    light = Light(np.array([0.0, -1, 0]), np.zeros(3), np.ones(3), np.ones(3))
    renderer.load(Scene(parts, light), pose[:3, 3])
    everything = renderer.truth(camera, pose)
    renderer.load(Scene(kept, light), pose[:3, 3])
    np.testing.assert_array_equal(renderer.truth(camera, pose).instance, everything.instance)
    assert 10 < len(kept) < 120
