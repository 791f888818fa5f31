"""A street along a given path: road, verges, houses, hedges, trees, poles and parked cars on
both sides of it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.synthetic.places.buildings import building, fence
from depth_ros.synthetic.places.materials import (
    ASPHALT,
    GRASS,
    LYING,
    PAVING,
    UPRIGHT,
    Builder,
    material,
    yaw_axes,
)
from depth_ros.synthetic.places.outdoors import bush, car, pole, tree
from depth_ros.synthetic.renderer import QUAD, Scene
from depth_ros.synthetic.shading import Sky

_PIECE_M = 8.0  # of road
_SMOOTH_M = 6.0  # what a road does not follow of a car's bouncing
_ROAD_M, _VERGE_M = (
    4.2,
    14.0,
)  # half widths: beyond the verge stands what hides that there is no ground
_BEHIND_M, _AHEAD_M = 15.0, 110.0  # of the way that a picture may show


@dataclass(frozen=True, eq=False)
class Route:
    """A scene along a path: scene of all shapes, at_m (S,) where along the way each stands,
    path_m (N,) of each pose.
    """

    scene: Scene
    at_m: np.ndarray
    path_m: np.ndarray

    def near(self, i: int) -> Scene:
        """Return what pose i can see: shapes from 15 m behind to 110 m ahead along the way.

        Parts of the route that come close in space but not along the way are left out: there
        heights need not agree.
        """
        off = self.at_m - self.path_m[i]
        seen = np.nonzero((off > -_BEHIND_M) & (off < _AHEAD_M))[0]
        rows = {
            field.name: value[seen]
            for field in fields(Scene)
            if isinstance(value := getattr(self.scene, field.name), np.ndarray)
            and len(value) == len(self.at_m)
        }
        return replace(self.scene, **rows)


def street_along(
    world_T_camera: np.ndarray, rng: np.random.Generator, height_m: float = 1.65
) -> Route:
    """Build a street under a path of a camera: houses, then gardens, then woods, by stretches;
    nothing moves.

    world_T_camera: (N, 4, 4) optical poses, y about downwards, metres; the camera drives height_m
    above the road. All light is ambient: no shadows, so that long clips render fast. Raises
    InputError for fewer than two poses.
    """
    poses = np.asarray(world_T_camera, np.float64)
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) < 2:
        raise InputError(f"expected poses (N, 4, 4) with N >= 2, got {poses.shape}")
    way = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1))]
    )
    builder = _RouteBuilder(rng, _Line(way, poses, height_m))
    _road(builder)
    for side in (-1, 1):
        _roadside(builder, side)
    scene = builder.scene([0.0, -1.0, 0.0], _overcast())
    return Route(scene, np.array(builder.at_m), way)


class _Line:
    """The smoothed middle of the road: position (3,), heading and slope (rad) at any metre of
    the way.
    """

    def __init__(self, way: np.ndarray, poses: np.ndarray, height_m: float):
        # Beyond its ends the road goes straight on, so that the first and last pictures show some.
        start, end = (poses[k, :3, 2] / np.linalg.norm(poses[k, :3, 2]) for k in (0, -1))
        metres = np.arange(way[0] - _BEHIND_M - 20, way[-1] + _AHEAD_M + 20, 1.0)
        points = np.stack([np.interp(metres, way, poses[:, k, 3]) for k in range(3)], axis=1)
        points += (
            np.minimum(metres - way[0], 0)[:, None] * start
            + np.maximum(metres - way[-1], 0)[:, None] * end
        )
        reach = np.arange(-3 * _SMOOTH_M, 3 * _SMOOTH_M + 1)
        weights = np.exp(-0.5 * (reach / _SMOOTH_M) ** 2)
        weights /= weights.sum()
        padded = np.pad(
            points, ((len(reach) // 2,) * 2, (0, 0)), mode="reflect", reflect_type="odd"
        )
        smooth = np.stack(
            [np.convolve(padded[:, k], weights, mode="valid") for k in range(3)], axis=1
        )
        step = np.gradient(smooth, axis=0)
        self.metres = metres
        self.points = points
        self._ground = smooth + [0, height_m, 0]
        self._heading = np.unwrap(np.arctan2(step[:, 0], step[:, 2]))
        self._slope = np.arctan2(-step[:, 1], np.hypot(step[:, 0], step[:, 2]))

    def at(self, metre: float) -> tuple[np.ndarray, float, float]:
        """Ground position, heading, slope (positive: uphill)."""
        ground = np.array([np.interp(metre, self.metres, self._ground[:, k]) for k in range(3)])
        return ground, *(
            float(np.interp(metre, self.metres, values)) for values in (self._heading, self._slope)
        )


class _RouteBuilder(Builder):
    """A builder whose ground is the road at one metre of the way; x is to the right of it."""

    def __init__(self, rng, line: _Line):
        super().__init__(rng)
        self.line = line
        self.at_m = []
        self.go(0.0)

    def go(self, metre: float) -> None:
        """Build at this metre from now on."""
        self._metre = metre
        self._origin, self._heading, self.slope = self.line.at(metre)
        self.stand(0, 0)

    def stand(self, x, z, yaw=0.0, y=0.0):
        place = self._origin + np.array([x, y - z * np.tan(self.slope), z], float) @ yaw_axes(
            self._heading
        )
        self._frame = (place, yaw_axes(self._heading + yaw))

    def add(self, kind, center, half, surface, axes=UPRIGHT, **changes):
        super().add(kind, center, half, surface, axes, **changes)
        self.at_m.append(self._metre)

    def is_clear(self, x: float, half_x: float, half_z: float) -> bool:
        """True where a thing here would stand off this stretch of the road, however it bends."""
        corners = [
            [x + a * half_x, 0, b * half_z]
            for a in (-1, -0.5, 0, 0.5, 1)
            for b in (-1, -0.5, 0, 0.5, 1)
        ]
        places = self._origin + np.array(corners) @ yaw_axes(self._heading)
        near = np.abs(self.line.metres - self._metre) < _AHEAD_M + _BEHIND_M
        off = places[:, None, ::2] - self.line.points[None, near, ::2]
        return bool(np.hypot(off[..., 0], off[..., 1]).min() > _ROAD_M - 1.0)


def _road(b: _RouteBuilder) -> None:
    """Pieces of verge, asphalt and a broken line, each in the plane of the way there."""
    rng = b.rng
    grass = material(rng, GRASS, 0.4, 0.25, wild=0.0)
    asphalt = material(rng, ASPHALT, 0.15, 0.12, wild=0.0)
    for n, metre in enumerate(np.arange(b.line.metres[0] + 1, b.line.metres[-1], _PIECE_M)):
        b.go(float(metre))
        c = np.cos(b.slope)
        s = np.sin(b.slope)
        lying = LYING @ np.array([[1.0, 0, 0], [0, c, s], [0, -s, c]])  # tilted about x: z climbs
        if n % 12 == 0:  # another stretch, another surface
            grass = material(rng, GRASS + PAVING, 0.4, 0.3, wild=0.0)
            asphalt = material(rng, ASPHALT, 0.15, 0.15, wild=0.0)
        lift = 0.004 * (
            n % 2
        )  # pieces overlap; in one plane rounding would decide which of them is seen
        for surface, width, up in ((grass, _VERGE_M, 0.0), (asphalt, _ROAD_M, 0.01)):
            own = dict(surface, offset=rng.uniform(0, 60, 3))
            b.add(QUAD, [0, -up - lift, 0], [width, _PIECE_M * 0.6, 1], own, lying)
        white = dict(asphalt, colors=np.full((3, 3), 0.75) + rng.normal(0, 0.03, (3, 3)))
        b.add(QUAD, [0.0, -0.02, 0], [0.07, 1.6, 1], white, lying)


def _roadside(b: _RouteBuilder, side: int) -> None:
    """One side of the whole route, stretch by stretch, without a gap in what stands behind the
    verge.
    """
    rng = b.rng
    metre = b.line.metres[0] + 5
    kinds = ("town", "gardens", "trees")
    while metre < b.line.metres[-1] - 5:
        kind = kinds[rng.choice(3, p=[0.4, 0.35, 0.25])]
        end = metre + rng.uniform(60, 160)
        while metre < min(end, b.line.metres[-1] - 5):
            b.go(float(metre))
            metre += {"town": _house, "gardens": _garden, "trees": _trees}[kind](b, side)


def _house(b, side) -> float:
    """A house at the pavement, a parked car or a pole before it; returns its length."""
    rng = b.rng
    width = rng.uniform(8, 18)
    depth = rng.uniform(7, 9)
    x = side * (rng.uniform(6.5, 9.5) + depth / 2)
    if b.is_clear(x, depth / 2, width / 2):
        building(b, x, 0.0, width - 0.5, depth, rng.uniform(5, 12), False)
    else:
        _hedge(b, side, width)
    _kerbside(b, side, width)
    return width


def _garden(b, side) -> float:
    """A fence or hedge, bushes, and a house farther back."""
    rng = b.rng
    width = rng.uniform(9, 14)
    depth = rng.uniform(7, 9)
    x = side * (rng.uniform(9, 13) + depth / 2)
    if b.is_clear(x, depth / 2, width / 2):
        building(b, x, 0.0, width - 2, depth, rng.uniform(3.5, 6), True)
    if b.is_clear(side * 6.2, 0.4, width / 2):
        fence(b, side * 6.2, -width / 2, width, rng.uniform(0, 0.9))
    _hedge(b, side, width)
    _kerbside(b, side, width)
    return width


def _trees(b, side) -> float:
    """Trees and bushes."""
    rng = b.rng
    x = side * rng.uniform(6.0, 8.5)
    if b.is_clear(x, 1.5, 1.5):
        tree(b, x, rng.uniform(-1, 1), rng.uniform(4, 9))
    _hedge(b, side, 8.0)
    return 8.0


def _hedge(b, side, width) -> None:
    """Bushes along the verge's far edge: what closes the view where no house does."""
    for z in np.arange(-width / 2, width / 2, 4.5):
        x = side * b.rng.uniform(10, 13)
        if b.is_clear(x, 2.0, 2.0):
            bush(b, x, float(z), b.rng.uniform(1.8, 3.0))


def _kerbside(b, side, width) -> None:
    """A parked car, a pole, a small tree, or nothing."""
    rng = b.rng
    draw = b.rng.random()
    if draw < 0.35 and b.is_clear(side * 5.2, 0.9, 2.4):
        car(b, side * 5.2, rng.uniform(-1, 1), rng.choice([0.0, np.pi]) + rng.normal(0, 0.03))
    elif draw < 0.65 and b.is_clear(side * 5.0, 0.3, 0.3):
        pole(b, side * 5.0, rng.uniform(-0.3, 0.3) * width)
    elif draw < 0.85 and b.is_clear(side * 5.6, 0.5, 0.5):
        tree(b, side * 5.6, rng.uniform(-0.3, 0.3) * width, rng.uniform(3, 6))


def _overcast() -> Sky:
    """A bright grey sky with clouds, a little haze, the same light everywhere."""
    grey = np.array([0.82, 0.85, 0.9], np.float32)
    values = (grey * 0.9, grey, grey * 0.75, 0.6, 0.002, 1.0, np.zeros((0, 3), np.float32), 1.0)
    return Sky(*(np.asarray(value, np.float32) for value in values))
