"""Puts things into a scene: standing on floors, floating, in front of walls, each with materials of
its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.synthetic.raster.bank import Library
from depth_ros.synthetic.raster.furniture import Furniture, Piece
from depth_ros.synthetic.raster.look import Grain, random_material
from depth_ros.synthetic.raster.mesh import Mesh, patch
from depth_ros.synthetic.raster.noise import height_grid
from depth_ros.synthetic.raster.objects import MAKERS
from depth_ros.synthetic.raster.placement import CUT_CARD, Body, placed, rotation
from depth_ros.synthetic.raster.scene import Material, Part
from depth_ros.synthetic.raster.shapes import Stock

_WALL_POINTS = 13
_MODEL_SHARE = 0.45  # of things, where there are models
_STRANGE = (
    0.12  # share of models that look unlike themselves: shapes are to be learnt, not textures
)


class Stage:
    """A scene in the making, in front of a camera at the origin that looks along +z (y is down).

    Args:
        rng: random numbers.
        library: textures.
        stock: things.
        camera: whose pixels the size of textures is measured in.
        furniture: models that stand among the things, of any size.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        library: Library,
        stock: Stock,
        camera: Camera,
        furniture: Furniture | None = None,
    ):
        self._models = [] if furniture is None else furniture.all()
        self.rng = rng
        self.library = library
        self.stock = stock
        self.camera = camera
        self.parts: list[Part] = []
        self._instances = 0

    def material(
        self, distance_m: float, bare: float = 0.18, kinds: tuple[str, ...] = ()
    ) -> Material:
        """Draw a material for a surface at a distance in metres."""
        grain = Grain(distance_m / self.camera.fx)
        return random_material(self.rng, self.library, grain, bare, kinds)

    def add(self, meshes: Sequence[tuple[Mesh, Material]]) -> None:
        """Add one object of meshes in world axes."""
        self._instances += 1
        self.parts += [Part(mesh, material, self._instances) for mesh, material in meshes]

    def add_bodies(
        self, bodies: Sequence[Body], matrix: np.ndarray, palette: Sequence[Material]
    ) -> None:
        """Add one object that a maker made, moved by matrix (4, 4); materials go round where there
        are too few.
        """
        meshes = []
        for mesh, number in bodies:
            material = palette[number % len(palette)]
            if number == CUT_CARD:
                material = self._cut(material)
            meshes.append((mesh.transformed(matrix), material))
        self.add(meshes)

    def _cut(self, material: Material) -> Material:
        """The material with a cut-out; cards have texture coordinates from 0 to 1."""
        tiles = np.exp(self.rng.uniform(-1, 1.2))
        return replace(
            material,
            cutout=int(self.rng.integers(self.library.cutouts)),
            repeat=(tiles, tiles),
            specular=0.0,
            mirror=0.0,
        )

    def metric_material(
        self, kinds: tuple[str, ...], tile_m: tuple[float, float] = (0.5, 3.0), bare: float = 0.2
    ) -> Material:
        """Draw a material whose texture repeats after some metres, as floors, walls and roads have
        it.
        """
        drawn = self.material(1.0, bare, kinds)
        tile = np.exp(self.rng.uniform(*np.log(tile_m)))
        mirror = drawn.mirror if self.rng.random() < 0.3 else 0.0
        return replace(drawn, repeat=(1 / tile, 1 / tile), mirror=mirror)

    def paint(self, brightness: float) -> Material:
        """Return a bare material of a brightness (linear, 0 to 1), nearly without colour."""
        texture = int(self.rng.choice(self.library.kinds["plain"]))
        mean = (self.library.bank.textures[texture].mean((0, 1)) / 255) ** 2
        return Material(texture, tint=tuple(brightness / np.maximum(mean, 0.01)), contrast=0.0)

    def place(self, piece: Piece, position: np.ndarray, yaw_rad: float, scale: float = 1.0) -> None:
        """Stand a model on position (3,) m; some get other materials than their own."""
        self.place_at(piece, placed(about_y(yaw_rad) * scale, position))

    def place_at(self, piece: Piece, matrix: np.ndarray) -> None:
        """Put a model at world_T_model (4, 4); some get other materials than their own."""
        rng = self.rng
        gain = np.exp(rng.normal(0, 0.15)) * np.exp(rng.normal(0, 0.06, 3))
        strange = rng.random() < _STRANGE
        dyed = self.metric_material((), (0.1, 1.0))
        self._instances += 1
        for mesh, material in piece.meshes:
            if strange and material.opacity == 1:
                material = replace(dyed, cutout=material.cutout)
            else:
                material = replace(material, tint=tuple(np.asarray(material.tint) * gain))
            self.parts.append(Part(mesh, material, self._instances, matrix))

    def palette(self, distance_m: float, bare: float = 0.18) -> list[Material]:
        """Draw the few materials of one object."""
        return [self.material(distance_m, bare) for _ in range(int(self.rng.integers(1, 5)))]

    def draw_kind(self, kinds: Sequence[str] = ()) -> str:
        """Draw a kind of thing out of some, of all where none are named, by their weights."""
        names = list(kinds) or list(MAKERS)
        weights = np.array([MAKERS[name][1] for name in names])
        return names[self.rng.choice(len(names), p=weights / weights.sum())]

    def standing(
        self, position: np.ndarray, size_m: float, kinds: Sequence[str] = (), bare: float = 0.18
    ) -> None:
        """Stand a random thing of a size on the ground at position (3,) m."""
        rng = self.rng
        if self._models and not kinds and rng.random() < _MODEL_SHARE:
            self._model(position, size_m)
            return
        kind = self.draw_kind(kinds)
        bodies = self.stock.draw(rng, kind)
        turn = about_y(rng.uniform(0, 2 * np.pi))
        if kind in ("card", "cutting", "fence", "books", "cloth"):
            turn = about_y(rng.normal(0, 0.6))
        if rng.random() < 0.25:  # lies, leans or has fallen over
            turn = rotation(rng, 1.2) @ turn
        stretch = size_m * np.exp(rng.normal(0, 0.1, 3))
        linear = turn * stretch
        low = max((mesh.vertices @ linear.T)[:, 1].max() for mesh, _ in bodies)
        matrix = placed(linear, position - [0, low, 0])
        self.add_bodies(bodies, matrix, self.palette(float(position[2]), bare))

    def floating(self, position: np.ndarray, size_m: float, kinds: Sequence[str] = ()) -> None:
        """Hang a random thing of a size in the air at position (3,) m, turned at random."""
        rng = self.rng
        if self._models and not kinds and rng.random() < _MODEL_SHARE:
            self._model(position, size_m, rotation(rng, 1.0))
            return
        bodies = self.stock.draw(rng, self.draw_kind(kinds))
        linear = rotation(rng, 1.4 if rng.random() < 0.6 else 0.3) * (
            size_m * np.exp(rng.normal(0, 0.25, 3))
        )
        self.add_bodies(bodies, placed(linear, position), self.palette(float(position[2])))

    def _model(self, position, size_m, turn=None):
        """A model brought to a size, whatever its own is."""
        piece = self._models[self.rng.integers(len(self._models))]
        scale = size_m / max(piece.entry.size_m)
        turn = np.eye(3) if turn is None else turn
        self.place_at(
            piece, placed(turn @ about_y(self.rng.uniform(0, 2 * np.pi)) * scale, position)
        )

    def wall(
        self,
        center: np.ndarray,
        across: np.ndarray,
        up: np.ndarray,
        material: Material,
        relief_m: float = 0.0,
    ):
        """Add a plane through center (3,) m that spans `across` and `up` (3,) m, with some relief
        (m).
        """
        share = np.linspace(-0.5, 0.5, _WALL_POINTS if relief_m == 0 else 3 * _WALL_POINTS)
        points = center + share[None, :, None] * across + share[:, None, None] * up
        if relief_m:
            normal = np.cross(across, up)
            heights = height_grid(self.rng, len(share), len(share), int(self.rng.integers(3, 16)))
            points = points + relief_m * heights[..., None] * normal / np.linalg.norm(normal)
        self.add([(patch(points), material)])

    def view_point(self, depth_m: float, margin: float = 0.08) -> np.ndarray:
        """Draw a point (3,) m that the camera sees at a depth, or that lies just outside its
        picture.
        """
        camera = self.camera
        u = self.rng.uniform(-margin, 1 + margin) * camera.width
        v = self.rng.uniform(-margin, 1 + margin) * camera.height
        ray = np.array([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, 1.0])
        return depth_m * ray

    def width_at(self, depth_m: float) -> float:
        """Return how wide the picture is at a depth, m."""
        return depth_m * self.camera.width / self.camera.fx


def about_y(angle_rad: float) -> np.ndarray:
    """Return the rotation (3, 3) about the vertical."""
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
