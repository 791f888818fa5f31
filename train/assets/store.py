"""Writes models, worlds, the index and the credits of a folder of assets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.files import replacing, write_atomic
from depth_ros.synthetic.raster.assets import Model, ModelEntry
from train.assets import gazebo, sweethome
from train.assets.sources import SOURCES, Source

_SAVE_EVERY = 20  # models


def convert(source: Source, folder: Path, out: Path, report: Callable[[str], None]) -> int:
    """Convert all models and worlds of a source; what the index lists already is kept, so that a
    stop costs little.

    Args:
        source: what the folder holds; it is checked first.
        folder: of the user's package or checkout.
        out: folder of assets.
        report: told about each model that cannot be read.

    Returns:
        How many models of the source the folder of assets now holds.
    """
    source.check(folder)
    (out / "models").mkdir(parents=True, exist_ok=True)
    (out / "worlds").mkdir(exist_ok=True)
    entries = _listed(out, source)
    for number, (name, read) in enumerate(_models(source, folder)):
        if safe_name(name) in entries:
            continue
        try:
            entry, model = read()
            _check(name, model)
        except InputError as error:
            report(f"left out: {error}")
            continue
        entry = _write_model(out, replace(entry, name=safe_name(name)), model)
        entries[entry.name] = entry
        if number % _SAVE_EVERY == 0:
            _update_index(out, source, entries.values())
    for world in source.worlds:
        rows = gazebo.world_models(folder / world, source.name)
        write_atomic(out / "worlds" / f"{Path(world).stem}.json", json.dumps(rows).encode())
    _update_index(out, source, entries.values())
    return len(entries)


def _listed(out, source) -> dict[str, ModelEntry]:
    """Models of a source that the index lists and that are there."""
    path = out / "index.json"
    if path.exists():
        rows = json.loads(path.read_text())
    else:
        rows = []
    own = [ModelEntry(**row) for row in rows if row["source"] == source.name]
    return {entry.name: entry for entry in own if (out / "models" / f"{entry.name}.npz").exists()}


def safe_name(name: str) -> str:
    """Return a name that is safe for files."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _models(source, folder):
    """Name and reader of each model."""
    if source.kind == "sweethome":
        return sweethome.models(folder)
    return gazebo.models(folder, source.name, source.licence, source.credit)


def _check(name, model: Model) -> None:
    """Raise InputError for a model that no scene can use."""
    if not all(np.isfinite(part).all() for part in (model.vertices, model.normals, model.uv)):
        raise InputError(f"{name}: expected finite vertices, normals and uv")
    size = float((model.vertices.max(0) - model.vertices.min(0)).max())
    if not 0.005 < size < 2000:
        raise InputError(f"{name}: expected a size of 5 mm to 2 km, got {size:.3g} m")


def _write_model(out, entry, model) -> ModelEntry:
    path = out / "models" / f"{entry.name}.npz"
    with replacing(path) as part, open(part, "wb") as file:
        np.savez_compressed(file, **vars(model))
    return entry


def _update_index(out, source, entries):
    """Replace the rows of one source in the index, and write the credits anew."""
    path = out / "index.json"
    if path.exists():
        rows = json.loads(path.read_text())
    else:
        rows = []
    rows = [row for row in rows if row["source"] != source.name]
    rows += [entry.to_dict() for entry in entries]
    write_atomic(path, json.dumps(rows, indent=1).encode())
    write_atomic(out / "CREDITS.md", credits(rows).encode())


def credits(rows: list[dict]) -> str:
    """Write who made the models of an index: packages, versions, licences, authors."""
    lines = ["# Credits", ""]
    for name in sorted({row["source"] for row in rows}):
        if name not in SOURCES:
            raise InputError(f"expected a source out of {sorted(SOURCES)}, got {name!r}")
        source = SOURCES[name]
        own = [row for row in rows if row["source"] == name]
        authors = sorted({row["author"] for row in own if row["author"]} - {source.credit})
        lines.append(
            f"- {name}: {len(own)} models; {source.package}, version {source.version}; "
            f"{source.licence}."
        )
        lines.append(f"  By {source.credit}; meshes converted, textures made smaller.")
        if authors:
            lines.append(f"  Authors named by the catalogue: {', '.join(authors)}.")
    return "\n".join(lines) + "\n"
