"""The models that one process has at hand: drawn from a folder of assets, sorted by where they are
used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from depth_ros.synthetic.raster.assets import TEXTURE_PX, AssetFolder, Model, ModelEntry
from depth_ros.synthetic.raster.bank import Library
from depth_ros.synthetic.raster.mesh import Mesh
from depth_ros.synthetic.raster.scene import Bank, Material

_OUTSIDE = (
    "house",
    "building",
    "station",
    "office",
    "school",
    "store",
    "shop",
    "garage",
    "apartment",
    "salon",
)
_OUTSIDE += ("fast_food", "collapsed", "tower", "bridge", "powerplant")
_VEHICLES = ("hatchback", "pickup", "suv", "prius", "ambulance", "bus", "fire_truck", "polaris")
_STREET = (
    "lamp_post",
    "sign",
    "hydrant",
    "postbox",
    "mailbox",
    "pole",
    "dumpster",
    "barrel",
    "cone",
    "barrier",
)
_STREET += ("stop_light", "bus_stop", "bench", "trash", "fountain", "playground")
_TREES = ("oak_tree", "pine_tree")
_NEVER = (
    "ground",
    "plane",
    "heightmap",
    "terrain",
    "light_",
    "_field",
    "drc_",
    "vrc_",
    "robot",
    "camera",
    "world",
    "nist",
)
_SHELL = (
    "wall",
    "floor",
    "roof",
    "ceiling",
    "door",
    "window",
    "curtain",
    "carpet",
    "chandelier",
    "handle",
)
_SMALL_M, _TINY_M = 0.55, 0.03
_VEHICLE_M = (3.4, 14.0)

USES = (
    "big",
    "small",
    "seat",
    "table",
    "hanging",
    "opening",
    "person",
    "vehicle",
    "street",
    "tree",
    "building",
)


@dataclass(frozen=True)
class Piece:
    """A model ready to be placed: meshes about the origin, y = 0 is its foot.

    Attributes:
        entry: what it is.
        meshes: each with its material.
    """

    entry: ModelEntry
    meshes: tuple[tuple[Mesh, Material], ...]


@dataclass(frozen=True)
class Furniture:
    """Pieces by use; see USES. Some may be empty.

    Attributes:
        uses: pieces by use.
        worlds: whole places: pieces with their world_T_model (4, 4).
    """

    uses: dict[str, list[Piece]]
    worlds: dict[str, list[tuple[Piece, np.ndarray]]]

    def all(self) -> list[Piece]:
        """Return the pieces of every use but houses."""
        return [piece for use, pieces in self.uses.items() if use != "building" for piece in pieces]

    def draw(self, rng: np.random.Generator, use: str) -> Piece | None:
        """Draw a piece for a use, None where there is none."""
        pieces = self.uses.get(use, [])
        return pieces[rng.integers(len(pieces))] if pieces else None


def use_of(entry: ModelEntry) -> str | None:
    """Return what a model is used for, one of USES; None for what no scene wants."""
    if entry.source.startswith("gazebo"):
        return _use_outdoors(entry)
    name = entry.name.lower()
    if entry.source != "sweethome" and any(word in name for word in _SHELL):
        return None
    if entry.opening:
        return "opening"
    if entry.category == "Characters":
        return "person"
    if entry.category == "Vehicles":
        return "vehicle" if max(entry.size_m) > _VEHICLE_M[0] else "street"
    if entry.category == "Exterior":
        return "street"
    return _use_indoors(entry)


def _use_indoors(entry):
    """By size and height above the floor."""
    largest, height = max(entry.size_m), entry.size_m[1]
    words = f"{entry.name} {entry.title}".lower()
    if entry.elevation_m > 0.3:
        return "hanging" if largest < 2.5 else None
    if largest < _TINY_M or height < 0.01:
        return None
    if largest < _SMALL_M:
        return "small"
    if any(word in words for word in ("chair", "stool", "seat")):
        return "seat"
    if "table" in words or "desk" in words:
        return "table" if 0.3 < height < 1.2 else "big"
    return "big" if largest < 5 else None


def _use_outdoors(entry):
    """By the names that Gazebo's models have."""
    name = entry.name.lower()
    if any(word in name for word in _NEVER):
        return None
    for words, use in (
        (_TREES, "tree"),
        (_VEHICLES, "vehicle"),
        (("person",), "person"),
        (_STREET, "street"),
        (_OUTSIDE, "building"),
    ):
        if any(word in name for word in words):
            return use
    return "small" if _TINY_M < max(entry.size_m) < _SMALL_M else None


def furnished(
    library: Library, assets: AssetFolder, seed: int, count: int = 140, with_worlds: bool = True
) -> tuple[Library, Furniture]:
    """Draw models from a folder of assets and add their textures to a library.

    Args:
        library: procedural textures; its layers keep their numbers.
        assets: models.
        seed: of the choice.
        count: how many models at most, spread evenly over the uses.
        with_worlds: add one whole world, where the folder has any.
    """
    rng = np.random.default_rng((seed, 0xF0))
    names = _chosen(rng, assets, count)
    worlds = {}
    if with_worlds and assets.worlds:
        world = sorted(assets.worlds)[rng.integers(len(assets.worlds))]
        worlds[world] = [row for row in assets.world(world) if row[0] in assets.models]
        names = [*names, *sorted({name for name, _ in worlds[world]} - set(names))]
    shelf = _Shelf(library)
    pieces = {name: shelf.piece(assets.models[name], assets.load(name)) for name in names}
    uses = {use: [] for use in USES}
    for name in names:
        use = use_of(assets.models[name])
        if use is not None:
            uses[use].append(pieces[name])
    placed = {
        world: [(pieces[name], matrix) for name, matrix in rows] for world, rows in worlds.items()
    }
    return shelf.library(), Furniture(uses, placed)


def _chosen(rng, assets, count):
    """Names of models, the same number of each use as far as there are."""
    by_use = {use: [] for use in USES}
    for name in sorted(assets.models):
        use = use_of(assets.models[name])
        if use is not None:
            by_use[use].append(name)
    weights = {"big": 3, "small": 4, "seat": 1.5, "table": 1.5}
    total = sum(weights.get(use, 1) for use, names in by_use.items() if names)
    chosen = []
    for use, names in by_use.items():
        share = min(len(names), max(2, round(count * weights.get(use, 1) / max(total, 1))))
        chosen += rng.choice(names, share, replace=False).tolist() if names else []
    return chosen


class _Shelf:
    """Collects the textures of models behind those of a library."""

    def __init__(self, library: Library):
        self._start = library
        self._textures = [library.bank.textures]
        self._cutouts = [library.bank.cutouts]
        self._next = len(library.bank.textures)
        self._next_cutout = len(library.bank.cutouts)
        self._white = self._add(np.full((1, *library.bank.textures.shape[1:3], 4), 255, np.uint8))[
            0
        ]

    def piece(self, entry: ModelEntry, model: Model) -> Piece:
        """Make a piece of a model."""
        layers = self._add(model.textures)
        meshes = []
        for part in range(len(model.starts) - 1):
            faces = model.faces[model.starts[part] : model.starts[part + 1]]
            used, renumbered = np.unique(faces, return_inverse=True)
            mesh = Mesh(
                model.vertices[used],
                model.normals[used],
                model.uv[used],
                renumbered.reshape(-1, 3).astype(np.int32),
            )
            meshes.append((mesh, self._material(model, part, layers)))
        return Piece(entry, tuple(meshes))

    def library(self) -> Library:
        """Return the library with all textures."""
        bank = Bank(np.concatenate(self._textures), np.concatenate(self._cutouts))
        return replace(self._start, bank=bank)

    def _material(self, model, part, layers):
        number = int(model.texture_of[part])
        opacity = float(model.opacity[part])
        material = Material(opacity=opacity if opacity < 0.95 else 1.0)
        if number < 0:
            return replace(material, texture=self._white[0], tint=tuple(model.colors[part] ** 2))
        texture, cutout = layers[number]
        return replace(material, texture=texture, cutout=cutout)

    def _add(self, textures):
        """Append textures (T,S,S,4); returns (layer, cut-out or None) of each."""
        side = self._start.bank.textures.shape[1]
        mask_side = self._start.bank.cutouts.shape[1]
        layers = []
        for texture in textures:
            if side != TEXTURE_PX:
                texture = cv2.resize(texture, (side, side), interpolation=cv2.INTER_AREA)
            cutout = None
            if (texture[..., 3] < 128).mean() > 0.02:
                mask = cv2.resize(
                    texture[..., 3], (mask_side, mask_side), interpolation=cv2.INTER_AREA
                )
                self._cutouts.append(mask[None])
                cutout = self._next_cutout
                self._next_cutout += 1
            self._textures.append(np.ascontiguousarray(texture[None, ..., :3]))
            layers.append((self._next, cutout))
            self._next += 1
        return layers
