"""The rasteriser against analytic geometry, and against the ray caster, which is exact."""

import sys

import numpy as np
import pytest

from depth_ros.core.camera import Camera
from depth_ros.core.errors import EngineError, InputError
from depth_ros.synthetic import renderer as world
from depth_ros.synthetic.raster import mesh
from depth_ros.synthetic.raster.placement import placed
from depth_ros.synthetic.raster.renderer import Renderer
from depth_ros.synthetic.raster.scene import Bank, Light, Material, Part, Scene

CAMERA = Camera(96, 64, 81.0, 77.0, 41.25, 36.75)  # asymmetric on purpose
DIM = Light(np.array([0.0, -1.0, 0.0]), np.zeros(3), np.full(3, 0.5), np.full(3, 0.5))


def turned(yaw, pitch, roll):
    def about(axis, angle):
        cosine, sine = np.cos(angle), np.sin(angle)
        matrix = np.eye(3)
        first, second = [(1, 2), (2, 0), (0, 1)][axis]
        matrix[first, first] = matrix[second, second] = cosine
        matrix[first, second], matrix[second, first] = -sine, sine
        return matrix

    return about(1, yaw) @ about(0, pitch) @ about(2, roll)


def rays():
    v, u = np.mgrid[:64, :96]
    return np.stack([(u - 41.25) / 81.0, (v - 36.75) / 77.0, np.ones((64, 96))], -1)


def inner(instance):
    """Pixels whose eight neighbours show the same object."""
    same = np.zeros(instance.shape, bool)
    middle = instance[1:-1, 1:-1]
    same[1:-1, 1:-1] = True
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            part = instance[dy : dy + middle.shape[0], dx : dx + middle.shape[1]]
            same[1:-1, 1:-1] &= part == middle
    return same


def shown(renderer, parts, pose=None, light=DIM):
    pose = np.eye(4) if pose is None else pose
    renderer.load(Scene(parts, light), pose[:3, 3])
    return renderer.truth(CAMERA, pose)


def one_shape(kind, center, axes, half):
    row = dict(
        kind=np.array([kind]),
        center=np.array([center]),
        axes=np.array([axes]),
        half=np.array([half]),
        cutout=np.zeros(1),
        freq=np.ones(1),
        gain=np.full(1, 0.7),
        stripes=np.zeros(1),
        stripe_dir=np.ones((1, 3)),
        sharp=np.full(1, 5.0),
        colors=np.full((1, 3, 3), 0.5),
        mirror=np.zeros(1),
        offset=np.zeros((1, 3)),
        light=np.array([0, -1.0, 0]),
    )
    return world.Scene(**{k: v if k == "kind" else v.astype(np.float32) for k, v in row.items()})


SOLIDS = {
    "plane": (world.QUAD, (30.0, 30.0, 1.0), lambda: mesh.sheet(60, 60)),
    "box": (world.BOX, (0.7, 0.4, 0.9), lambda: mesh.box([1.4, 0.8, 1.8])),
    "ball": (
        world.ELLIPSOID,
        (0.8, 0.6, 0.5),
        lambda: mesh.superquadric((0.8, 0.6, 0.5), rows=500, columns=900),
    ),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_depth_is_that_of_the_ray_caster(renderer, name):
    kind, half, make = SOLIDS[name]
    pose = placed(turned(0.2, -0.15, 0.1), np.array([0.4, -0.3, 0.2]))
    rotation = turned(0.5, 0.3, -0.2)
    center = (pose @ [0.1, 0.05, 3.5, 1])[:3]
    exact = world.render(one_shape(kind, center, rotation.T, half), CAMERA, pose)["depth"]
    truth = shown(
        renderer, [Part(make().transformed(placed(rotation, center)), Material(), 1)], pose
    )
    seen = np.isfinite(exact) & np.isfinite(truth.depth) & inner(truth.instance)
    assert seen.sum() > 300
    if name == "box":  # its faces meet inside the object
        crease = np.abs(truth.normal[1:-1, 1:-1] - truth.normal[1:-1, 2:]).max(-1) > 0.01
        seen[1:-1, 1:-1] &= ~crease
    np.testing.assert_allclose(truth.depth[seen], exact[seen], rtol=1e-4)
    assert (np.isfinite(exact) != np.isfinite(truth.depth)).sum() < 60  # along the outline only


def test_floor_to_the_horizon_is_exact_and_meets_it(renderer):
    flat = mesh.sheet(800, 800).transformed(placed(turned(0, np.pi / 2, 0), np.array([0, 1.5, 0])))
    truth = shown(renderer, [Part(flat, Material(), 7)])
    ray = rays()
    with np.errstate(divide="ignore"):
        expected = 1.5 / ray[..., 1]
    seen = (expected > 0) & (expected < 300)
    np.testing.assert_allclose(truth.depth[seen], expected[seen], rtol=1e-4)
    assert np.isnan(truth.depth[ray[..., 1] < 0]).all()
    assert (truth.instance[seen] == 7).all() and (truth.instance[ray[..., 1] < 0] == 0).all()
    np.testing.assert_allclose(
        truth.normal[seen], np.broadcast_to([0, -1, 0], (seen.sum(), 3)), atol=1e-3
    )


def test_normals_face_the_camera_from_either_side(renderer):
    rotation = turned(0.4, 0.2, 0)
    for flip in (1, -1):
        sheet = mesh.sheet(30, 30).transformed(
            placed(rotation @ np.diag([flip, 1, 1]), np.array([0, 0, 4.0]))
        )
        truth = shown(renderer, [Part(sheet, Material(), 1)])
        expected = rotation[:, 2] * -np.sign(rotation[2, 2])
        np.testing.assert_allclose(truth.normal[32, 48], expected, atol=1e-3)


def test_hollow_things_show_their_inside(renderer):
    cup = mesh.revolved(np.array([[1e-3, 1.0], [1.0, 1.0], [1.0, -1.0]]), 96)
    truth = shown(
        renderer,
        [Part(cup.transformed(placed(turned(0, -np.pi / 2, 0), [0, 0, 5.0])), Material(), 1)],
    )
    # the axis points at the camera: the bottom lies one metre behind the middle or before it
    assert truth.depth[37, 41] == pytest.approx(6.0, abs=1e-3) or truth.depth[
        37, 41
    ] == pytest.approx(4.0, abs=1e-3)


def test_holes_of_a_cutout_show_what_lies_behind(renderer):
    near = mesh.sheet(40, 40, card=True).transformed(placed(np.eye(3), np.array([0, 0, 3.0])))
    far = mesh.sheet(90, 90).transformed(placed(np.eye(3), np.array([0, 0, 6.0])))
    parts = [Part(near, Material(cutout=1), 1), Part(far, Material(), 2)]
    truth = shown(renderer, parts)
    x = 3.0 * rays()[..., 0]
    clear = np.abs(x) > 0.1
    np.testing.assert_allclose(truth.depth[clear], np.where(x > 0, 3.0, 6.0)[clear], rtol=1e-5)


def test_pane_counts_as_the_first_surface_but_shows_what_lies_behind(renderer):
    far = Part(
        mesh.sheet(90, 90).transformed(placed(np.eye(3), np.array([0, 0, 6.0]))), Material(), 1
    )
    glass = mesh.sheet(40, 40).transformed(placed(np.eye(3), np.array([0, 0, 2.0])))
    shown(renderer, [far])
    bare = renderer.picture(CAMERA, np.eye(4))
    truth = shown(renderer, [far, Part(glass, Material(tint=(0.0, 0.0, 0.0), opacity=0.5), 2)])
    through = renderer.picture(CAMERA, np.eye(4))
    assert (truth.instance == 2).all()
    np.testing.assert_allclose(
        through[20:40, 20:60] ** 2, 0.5 * bare[20:40, 20:60] ** 2, rtol=0.02, atol=2e-3
    )


def test_shadow_falls_where_the_sun_is_hidden(renderer):
    light = Light(
        np.array([0.0, -1.0, 0.0]),
        np.ones(3),
        np.full(3, 0.2),
        np.full(3, 0.2),
        shadow_center=np.array([0.0, 0.0, 6.0]),
        shadow_radius=5.0,
    )
    floor = mesh.sheet(30, 30).transformed(placed(turned(0, np.pi / 2, 0), np.array([0, 1.0, 6.0])))
    lid = mesh.box([2.0, 0.05, 2.0]).transformed(placed(np.eye(3), np.array([0, -1.5, 6.0])))
    plain = Material(contrast=0.0)
    renderer.load(Scene([Part(floor, plain, 1), Part(lid, plain, 2)], light), np.zeros(3))
    picture = renderer.picture(CAMERA, np.eye(4)) ** 2

    def at(x, z):
        return picture[round(36.75 + 77.0 * 1.0 / z), round(41.25 + 81.0 * x / z)].mean()

    assert at(0.0, 6.0) == pytest.approx(at(2.0, 6.0) * 0.2 / 1.2, rel=0.03)
    assert at(2.5, 6.0) == pytest.approx(at(2.0, 6.0), rel=0.03)


def test_two_renderers_in_one_process_keep_apart(renderer):
    try:
        other = Renderer(
            Bank(np.full((1, 8, 8, 3), 255, np.uint8), np.full((1, 8, 8), 255, np.uint8))
        )
    except EngineError as error:
        pytest.skip(f"no rasteriser here: {error}")
    near = Part(
        mesh.sheet(40, 40).transformed(placed(np.eye(3), np.array([0, 0, 3.0]))), Material(), 1
    )
    far = Part(
        mesh.sheet(40, 40).transformed(placed(np.eye(3), np.array([0, 0, 5.0]))), Material(), 1
    )
    renderer.load(Scene([near], DIM), np.zeros(3))
    other.load(Scene([far], DIM), np.zeros(3))
    assert renderer.truth(CAMERA, np.eye(4)).depth[30, 40] == pytest.approx(3.0)
    assert other.truth(CAMERA, np.eye(4)).depth[30, 40] == pytest.approx(5.0)
    other.close()
    assert renderer.truth(CAMERA, np.eye(4)).depth[30, 40] == pytest.approx(3.0)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "moderngl", None)
    with pytest.raises(EngineError, match=r"moderngl.*depth_ros\[synthetic\]"):
        Renderer(Bank(np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), np.uint8)))


def test_bad_input_is_refused():
    with pytest.raises(InputError, match="at least one part"):
        Scene([], DIM)
    with pytest.raises(InputError, match=r"textures \(N,S,S,3\) uint8"):
        Bank(np.zeros((1, 8, 8), np.uint8), np.zeros((1, 8, 8), np.uint8))
