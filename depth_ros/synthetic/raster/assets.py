"""Models and worlds that `python -m train assets` has written: meshes with their own textures, at
true sizes.

A folder of assets holds `models/NAME.npz`, one a model; `worlds/NAME.json`, models with their
poses; `index.json`, what there is, with size, place of use, and licence; and CREDITS.md, who is to
be named.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from depth_ros.core.errors import InputError

TEXTURE_PX = 256


@dataclass(frozen=True)
class ModelEntry:
    """One line of the index.

    Attributes:
        name: of the model and its file.
        source: which source it comes from.
        category: where it is used: "Bedroom", "Kitchen", "Office", ... or the source's own word.
        size_m: (x, y, z), metres.
        triangles: how many.
        elevation_m: how high above the floor it hangs.
        opening: it is a door or a window.
        licence: SPDX identifier.
        author: who made it.
        title: what it is, in words.
    """

    name: str
    source: str
    category: str
    size_m: tuple[float, float, float]
    triangles: int
    elevation_m: float = 0.0
    opening: bool = False
    licence: str = ""
    author: str = ""
    title: str = ""

    def to_dict(self) -> dict:
        """Return it as plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Model:
    """A model in optical axes (x right, y down, z forward), standing on y = 0 about x = z = 0,
    front towards -z.

    Attributes:
        vertices: (N, 3) float32, metres.
        normals: (N, 3) float32, unit, on the side that the triangles' order shows.
        uv: (N, 2) float32.
        faces: (M, 3) int32, sorted by part.
        starts: (P + 1,) int32, where each part begins in `faces`.
        colors: (P, 3) float32, as a display shows them; white where there is a texture.
        texture_of: (P,) int16, index of `textures`, -1 for none.
        opacity: (P,) float32.
        textures: (T, S, S, 4) uint8, the last channel is 0 in holes.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    starts: np.ndarray
    colors: np.ndarray
    texture_of: np.ndarray
    opacity: np.ndarray
    textures: np.ndarray


def load_model(path: Path) -> Model:
    """Read a model; raises InputError where the file is no model."""
    try:
        with np.load(path) as file:
            return Model(**{name: file[name] for name in Model.__dataclass_fields__})
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: expected a model written by `python -m train assets`, got: {error}"
        ) from error


class AssetFolder:
    """The models and worlds in a folder.

    Args:
        folder: what `python -m train assets --out` wrote.

    Raises:
        InputError: the folder has no index.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        index = self.folder / "index.json"
        if not index.exists():
            raise InputError(
                f"{folder}: expected index.json there (python -m train assets), got none"
            )
        rows = json.loads(index.read_text())
        self.models = {
            row["name"]: ModelEntry(**{**row, "size_m": tuple(row["size_m"])}) for row in rows
        }
        self.worlds = {path.stem: path for path in sorted((self.folder / "worlds").glob("*.json"))}

    def load(self, name: str) -> Model:
        """Read a model by its name."""
        return load_model(self.folder / "models" / f"{name}.npz")

    def world(self, name: str) -> list[tuple[str, np.ndarray]]:
        """Read a world: names of models, each with its world_T_model (4, 4) in optical axes."""
        rows = json.loads(self.worlds[name].read_text())
        return [(row["model"], np.array(row["matrix"], np.float64)) for row in rows]
