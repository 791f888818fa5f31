"""Random scenes for stereo: things on tables, clutter in the air, rooms, streets, thickets.
Diverse, not realistic.
"""

from __future__ import annotations

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raster.look import random_light
from depth_ros.synthetic.raster.places import Content
from depth_ros.synthetic.raster.scene import Material, Scene
from depth_ros.synthetic.raster.scene_open import open_ground
from depth_ros.synthetic.raster.stage import Stage, about_y

_GREEN = ("plant", "plant", "card", "rods", "fence", "cloth")


def random_scene(rng: np.random.Generator, shared: Content, camera: Camera) -> tuple[Scene, float]:
    """Draw a scene in front of a camera at the origin.

    Returns:
        The scene, and how far away its main part lies, m.
    """
    names = list(_FAMILIES)
    weights = np.array([_FAMILIES[name][1] for name in names])
    family = _FAMILIES[names[rng.choice(len(names), p=weights / weights.sum())]][0]
    stage = Stage(rng, shared.library, shared.stock, camera, shared.furniture)
    distance = family(stage)
    if rng.random() < 0.05:
        _pane(stage, distance)
    center = np.array([0.0, 0.0, 0.8 * distance])
    light = random_light(rng, shared.library, center, 1.1 * distance)
    return Scene(stage.parts, light), distance


def _tabletop(stage: Stage) -> float:
    """Things on a table or floor before a wall or a corner, as still lifes are."""
    rng = stage.rng
    depth = np.exp(rng.uniform(np.log(0.9), np.log(4)))
    span = 6 * stage.width_at(depth)
    table_y = depth * rng.uniform(0.1, 0.42) * stage.camera.height / stage.camera.fy * 1.3
    _back_walls(stage, depth, span, rng.normal(0, 0.25))
    stage.wall(
        np.array([0, table_y, depth]),
        np.array([span, 0, 0]),
        np.array([0, rng.normal(0, 0.02) * span, span]),
        stage.material(0.7 * depth),
        depth * rng.choice([0, 0, 0.004, 0.02]),
    )
    if rng.random() < 0.3:
        _boards(stage, depth)
    near = rng.uniform(0.35, 0.8)
    one_kind = rng.random() < 0.25
    kinds = (stage.draw_kind(),) if one_kind else ()
    heap = rng.random() < 0.35
    for _ in range(int(rng.integers(3, 32))):
        z = depth * rng.uniform(near, 0.97)
        x = z * (rng.uniform(-0.05, 1.05) * stage.camera.width - stage.camera.cx) / stage.camera.fx
        size = stage.width_at(depth) * np.exp(rng.uniform(np.log(0.06), np.log(0.5)))
        lift = rng.uniform(0, 0.5) * depth * heap * stage.camera.height / stage.camera.fy
        stage.standing(np.array([x, table_y - lift, z]), size, kinds)
    return depth


def _back_walls(stage, depth, span, yaw):
    """A wall behind everything, perhaps a second one in a corner, perhaps draped."""
    rng = stage.rng
    across = about_y(yaw) @ np.array([span, 0, 0])
    up = np.array([0, span, rng.normal(0, 0.05) * span])
    relief = depth * rng.choice([0, 0, 0, 0.01, 0.04])
    stage.wall(np.array([0, 0, depth]), across, up, stage.material(depth, 0.3), relief)
    if rng.random() < 0.35:
        side = rng.choice([-1, 1])
        across = about_y(yaw + side * rng.uniform(0.9, 1.5)) @ np.array([span, 0, 0])
        place = np.array([side * rng.uniform(0.2, 0.7) * stage.width_at(depth), 0, depth])
        stage.wall(place, across, up, stage.material(depth, 0.4))


def _boards(stage, depth):
    """Boards, posters and panels that lean against the wall."""
    rng = stage.rng
    for _ in range(int(rng.integers(1, 5))):
        center = stage.view_point(depth * rng.uniform(0.85, 0.98), 0.2)
        size = stage.width_at(depth) * rng.uniform(0.15, 0.7, 2)
        turn = about_y(rng.normal(0, 0.25))
        across = turn @ np.array([size[0], rng.normal(0, 0.1) * size[0], 0])
        up = turn @ np.array([0, size[1], rng.normal(0, 0.2) * size[1]])
        stage.wall(center, across, up, stage.material(depth))


def _floating(stage: Stage) -> float:
    """Things in the air before a slanted wall."""
    rng = stage.rng
    depth = np.exp(rng.uniform(np.log(1), np.log(10)))
    span = 8 * stage.width_at(depth)
    slant = about_y(rng.normal(0, rng.choice([0.1, 0.5])))
    across = slant @ np.array([span, 0, 0])
    up = np.array([0, span, rng.normal(0, 0.3) * span])
    stage.wall(
        np.array([0, 0, depth]), across, up, stage.material(depth), depth * rng.choice([0, 0, 0.05])
    )
    stage.wall(
        np.array([0, 0, 3 * depth]),
        np.array([60.0, 0, 0]) * depth,
        np.array([0, 60.0, 0]) * depth,
        stage.material(3 * depth),
    )
    near = rng.uniform(0.15, 0.7)
    for _ in range(int(rng.integers(3, 30))):
        z = depth / np.exp(rng.uniform(0, 1) * np.log(1 / near))
        size = stage.width_at(z) * np.exp(rng.uniform(np.log(0.05), np.log(0.5)))
        stage.floating(stage.view_point(z), size)
    return depth


def _room(stage: Stage) -> float:
    """A room with things on its floor, on boards and before its walls."""
    rng = stage.rng
    depth = rng.uniform(2.2, 9)
    eye = rng.uniform(0.5, 1.8)
    ceiling = rng.uniform(2.2, 3.5) - eye
    left, right = -rng.uniform(0.4, 3.5), rng.uniform(0.4, 3.5)
    yaw = about_y(rng.normal(0, 0.5))
    plain = 0.5
    length = 2.5 * depth
    for x in (left, right):
        center = yaw @ np.array([x, 0, 0]) + [0, 0, depth / 2]
        stage.wall(
            center,
            yaw @ np.array([0, 0, length]),
            np.array([0, 2 * max(eye, ceiling), 0]),
            stage.material(depth / 2, plain),
        )
    back = yaw @ np.array([0, 0, depth])
    stage.wall(
        back,
        yaw @ np.array([2 * length, 0, 0]),
        np.array([0, 12.0, 0]),
        stage.material(depth, plain),
    )
    ground = yaw @ np.array([0, 0, length])
    kinds = ("wood", "gravel", "bricks", "checks", "stone", "cells", "plain", "print")
    stage.wall(
        np.array([0, eye, depth / 2]),
        yaw @ np.array([length * 2, 0, 0]),
        ground,
        stage.material(depth / 2, 0.3, kinds),
    )
    stage.wall(
        np.array([0, -ceiling, depth / 2]),
        yaw @ np.array([length * 2, 0, 0]),
        ground,
        stage.material(depth / 2, 0.7),
    )
    for _ in range(int(rng.integers(4, 26))):
        place = yaw @ np.array([rng.uniform(left, right), 0, rng.uniform(0.2, 1) * depth])
        place[1] = eye if rng.random() < 0.75 else rng.uniform(-ceiling, eye)
        if place[2] > 0.7:
            stage.standing(place, np.exp(rng.uniform(np.log(0.15), np.log(1.6))), bare=0.3)
    return depth


def _thicket(stage: Stage) -> float:
    """Leaves, stems, nets and wires, row behind row."""
    rng = stage.rng
    depth = rng.uniform(1.5, 6)
    span = 8 * stage.width_at(depth)
    if rng.random() < 0.7:
        stage.wall(
            np.array([0, 0, depth * 1.4]),
            np.array([span, 0, rng.normal(0, 0.3) * span]),
            np.array([0, span, 0]),
            stage.material(depth),
        )
    low = depth * rng.uniform(0.15, 0.5)
    stage.wall(
        np.array([0, low, depth]),
        np.array([2 * span, 0, 0]),
        np.array([0, 0, 2 * span]),
        stage.material(depth),
    )
    for _ in range(int(rng.integers(8, 28))):
        z = depth * rng.uniform(0.3, 1.3)
        size = stage.width_at(depth) * rng.uniform(0.12, 0.6)
        place = stage.view_point(z, 0.15)
        if rng.random() < 0.5:
            place[1] = low
            stage.standing(place, size, _GREEN)
        else:
            stage.floating(place, size, _GREEN)
    return depth


def _surfaces(stage: Stage) -> float:
    """A few large slanted or curved surfaces, often bare: what matching alone cannot solve."""
    rng = stage.rng
    depth = np.exp(rng.uniform(np.log(1), np.log(5)))
    span = 7 * stage.width_at(depth)
    _back_walls(stage, depth, span, rng.normal(0, 0.5))
    for _ in range(int(rng.integers(2, 9))):
        center = stage.view_point(depth * rng.uniform(0.4, 0.95), 0.3)
        size = stage.width_at(depth) * rng.uniform(0.2, 1.2, 2)
        turn = about_y(rng.normal(0, 0.7))
        across = turn @ np.array([size[0], rng.normal(0, 0.3) * size[0], 0])
        up = turn @ np.array([0, size[1], rng.normal(0, 0.7) * size[1]])
        stage.wall(
            center, across, up, stage.material(depth, 0.45), depth * rng.choice([0, 0, 0.03])
        )
    for _ in range(int(rng.integers(0, 6))):
        z = depth * rng.uniform(0.4, 0.9)
        stage.floating(stage.view_point(z), stage.width_at(z) * rng.uniform(0.1, 0.6))
    return depth


def _pane(stage, distance):
    """A window pane, or a glass door."""
    rng = stage.rng
    depth = distance * rng.uniform(0.3, 0.7)
    size = stage.width_at(depth) * rng.uniform(0.2, 0.8, 2)
    across = about_y(rng.normal(0, 0.4)) @ np.array([size[0], 0, 0])
    tint = tuple(rng.uniform(0.2, 0.9, 3))
    glass = Material(
        texture=int(stage.rng.choice(stage.library.kinds["plain"])),
        tint=tint,
        specular=0.6,
        shininess=200.0,
        mirror=rng.uniform(0.1, 0.4),
        opacity=rng.uniform(0.35, 0.75),
    )
    stage.wall(stage.view_point(depth), across, np.array([0, size[1], 0]), glass)


_FAMILIES = {
    "tabletop": (_tabletop, 0.4),
    "floating": (_floating, 0.18),
    "room": (_room, 0.13),
    "open": (open_ground, 0.14),
    "thicket": (_thicket, 0.06),
    "surfaces": (_surfaces, 0.09),
}
