"""Reads furniture of Sweet Home 3D: .sh3f files, zips of OBJ models beside a catalogue with their
sizes.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.synthetic.raster.assets import Model, ModelEntry
from train.assets.convert import LARGEST_FILE, joined, limited, pieces_of, read_scene, stood

# OBJ: y up, front towards +z; optical: y down, front towards -z, the camera's side
_OPTICAL_T_OBJ = np.diag([1.0, -1.0, -1.0, 1.0])
_LICENCES = {"BlendSwap-CC-0": "CC0-1.0"}


def catalogue(text: str) -> list[dict[str, str]]:
    """Read the rows of a catalogue: keys like name#12 become one dict a number."""
    rows = {}
    for line in text.splitlines():
        match = re.match(r"\s*(\w+)#(\d+)\s*=\s*(.*)", line)
        if match:
            key, number, value = match.groups()
            rows.setdefault(int(number), {})[key] = value.strip()
    return [rows[number] for number in sorted(rows) if "model" in rows[number]]


def models(folder: Path) -> Iterator[tuple[str, Callable[[], tuple[ModelEntry, Model]]]]:
    """Yield name and reader of each model of the .sh3f files in a folder; call it before asking for
    the next.
    """
    for path in sorted(folder.glob("*.sh3f")):
        with zipfile.ZipFile(path) as file, tempfile.TemporaryDirectory() as place:
            file.extractall(place)
            text = file.read("PluginFurnitureCatalog.properties").decode("latin-1")
            for row in catalogue(text):
                name = f"sweethome-{path.stem}-{Path(row['model']).stem}"
                yield name, partial(_model, name, row, path.stem, Path(place))


def _model(name, row, library, place):
    """The model of one row."""
    path = place / row["model"].lstrip("/")
    if not path.exists():
        raise InputError(f"{library}: expected {row['model']}, got no such file")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(
            f"{path.name}: expected at most {LARGEST_FILE} bytes, got {path.stat().st_size}"
        )
    scene = read_scene(path.name, path)
    matrix = _OPTICAL_T_OBJ @ _turned(row.get("modelRotation"))
    pieces = limited(path.name, pieces_of(scene, matrix))
    size = np.array([float(row[key]) for key in ("width", "height", "depth")]) / 100  # cm
    model = joined(stood(pieces, size))
    entry = ModelEntry(
        name=name,
        source="sweethome",
        category=row.get("category", ""),
        size_m=tuple(float(x) for x in size),
        triangles=len(model.faces),
        elevation_m=float(row.get("elevation", 0)) / 100,
        opening=row.get("doorOrWindow") == "true",
        licence=_LICENCES.get(library, "CC-BY-3.0"),
        author=row.get("creator", ""),
        title=row.get("name", ""),
    )
    return entry, model


def _turned(text):
    """The catalogue's rotation of a model, (4,4)."""
    matrix = np.eye(4)
    if text:
        matrix[:3, :3] = np.array(text.split(), float).reshape(3, 3)
    return matrix
