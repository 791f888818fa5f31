"""Reads models and worlds of the simulator Gazebo: SDF files that place COLLADA and OBJ meshes."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.resolvers import FilePathResolver

from depth_ros.core.errors import InputError
from depth_ros.synthetic.raster.assets import Model, ModelEntry
from train.assets.convert import LARGEST_FILE, joined, limited, pieces_of, read_scene

# SDF: x forward, y left, z up; optical: x right, y down, z forward
OPTICAL_T_SDF = np.array([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])


class _Textures(FilePathResolver):
    """Finds images beside a mesh, or in the folder of textures of its model."""

    def __init__(self, path: Path):
        super().__init__(str(path))
        self._places = [path.parent, path.parent.parent / "materials" / "textures"]

    def get(self, name):
        for place in self._places:
            for candidate in (place / name, place / Path(name).name):
                if candidate.is_file():
                    return candidate.read_bytes()
        raise FileNotFoundError(name)


def model_folders(root: Path) -> dict[str, Path]:
    """Find the models of a checkout by their names."""
    return {path.parent.name: path.parent for path in sorted(root.rglob("model.sdf"))}


def models(
    root: Path, source: str, licence: str, author: str
) -> Iterator[tuple[str, Callable[[], tuple[ModelEntry, Model]]]]:
    """Yield name and reader of each model of a checkout."""
    for folder_name, folder in model_folders(root).items():
        name = f"{source}-{folder_name}"
        blank = ModelEntry(name, source, source, (0.0, 0.0, 0.0), 0, licence=licence, author=author)
        yield name, partial(_model, folder, blank)


def _model(folder, entry):
    """The model of one folder; what the entry lacks is filled in."""
    model = joined(limited(entry.name, _pieces(folder)))
    size = tuple(float(x) for x in model.vertices.max(0) - model.vertices.min(0))
    return replace(entry, size_m=size, triangles=len(model.faces)), model


def world_models(path: Path, source: str) -> list[dict]:
    """Read a world: the models it includes, each with its matrix (4, 4) as nested lists, optical
    axes.
    """
    rows = []
    for model in _root(path).iter("model"):
        include = model.find("include")
        if include is None:
            continue
        name = include.find("uri").text.strip().removeprefix("model://")
        pose = include.find("pose") if include.find("pose") is not None else model.find("pose")
        matrix = OPTICAL_T_SDF @ pose_matrix(pose) @ np.linalg.inv(OPTICAL_T_SDF)
        rows.append({"model": f"{source}-{name}", "matrix": matrix.tolist()})
    return rows


def pose_matrix(element) -> np.ndarray:
    """Return the (4, 4) matrix of a pose "x y z roll pitch yaw"; identity where there is none."""
    matrix = np.eye(4)
    if element is None or not (element.text or "").strip():
        return matrix
    x, y, z, roll, pitch, yaw = (float(value) for value in element.text.split())
    matrix = trimesh.transformations.euler_matrix(roll, pitch, yaw, "sxyz")
    matrix[:3, 3] = x, y, z
    return matrix


def _root(path):
    """Root element of an XML file."""
    try:
        return ET.fromstring(path.read_text(errors="replace").lstrip())
    except ET.ParseError as error:
        raise InputError(f"{path}: expected XML, got: {error}") from error


def _pieces(folder):
    """All visual meshes and solids of a model, in metres and optical axes."""
    pieces = []
    for link in _root(folder / "model.sdf").iter("link"):
        link_matrix = OPTICAL_T_SDF @ pose_matrix(link.find("pose"))
        for visual in link.findall("visual"):
            if visual.find("geometry") is not None:
                matrix = link_matrix @ pose_matrix(visual.find("pose"))
                pieces += _painted(folder, visual, _visual(folder, visual.find("geometry"), matrix))
    return pieces


def _visual(folder, geometry, matrix):
    """Pieces of one geometry element: a mesh file, a box, a cylinder or a sphere."""
    mesh = geometry.find("mesh")
    if mesh is None:
        solid = _solid(geometry)
        return [] if solid is None else pieces_of(trimesh.Scene(solid), matrix)
    path = _mesh_path(folder, (mesh.findtext("uri") or "").strip())
    if path is None:
        return []
    factors = _numbers(mesh, "scale") or [1.0, 1.0, 1.0]
    return _read(path, matrix @ np.diag([*factors, 1.0]), mesh.findtext("submesh/name"))


def _painted(folder, visual, pieces):
    """Pieces with the texture or colour that the visual names, where it names one."""
    image = _script_image(folder, (visual.findtext("material/script/name") or "").strip())
    diffuse = _numbers(visual, "material/diffuse")
    painted = []
    for piece in pieces:
        if image is not None and piece.image is None and piece.uv is not None:
            piece = replace(piece, image=image)
        elif diffuse and piece.image is None:
            piece = replace(piece, color=np.array(diffuse[:3]))
        painted.append(piece)
    return painted


def _script_image(folder, name):
    """First texture of a named material in the model's .material scripts (OGRE); None where there
    is none.
    """
    if not name:
        return None
    for path in sorted((folder / "materials" / "scripts").glob("*.material")):
        text = path.read_text(errors="replace")
        start = re.search(rf"^\s*material\s+{re.escape(name)}\s*(:.*)?$", text, re.MULTILINE)
        if start is None:
            continue
        own = re.split(r"^\s*material\s", text[start.end() :], maxsplit=1, flags=re.MULTILINE)[0]
        texture = re.search(r"^\s*texture\s+(\S+)", own, re.MULTILINE)
        image = folder / "materials" / "textures" / texture.group(1) if texture else None
        if image is not None and image.is_file():
            return Image.open(image).convert("RGBA")
    return None


def _solid(geometry):
    """A trimesh of a box, cylinder or sphere; None for other shapes."""
    if geometry.find("box") is not None:
        return trimesh.creation.box(_numbers(geometry.find("box"), "size"))
    if geometry.find("cylinder") is not None:
        cylinder = geometry.find("cylinder")
        (radius,), (height,) = _numbers(cylinder, "radius"), _numbers(cylinder, "length")
        return trimesh.creation.cylinder(radius, height, sections=24)
    if geometry.find("sphere") is not None:
        return trimesh.creation.icosphere(3, *_numbers(geometry.find("sphere"), "radius"))
    return None


def _numbers(element, name):
    """Numbers in a child element, none where it is absent."""
    return [float(value) for value in (element.findtext(name) or "").split()]


def _mesh_path(folder, uri):
    """The file of an address, beside the model or of another one; names differ in case here and
    there.
    """
    for scheme in ("model://", "file://models/", "file://"):
        uri = uri.removeprefix(scheme)
    path = folder.parent / uri
    if path.is_file():
        return path
    for candidate in sorted(path.parent.glob("*")) if path.parent.is_dir() else ():
        same = candidate.name.lower() == path.name.lower()
        if same or ("visual" in candidate.name.lower() and candidate.suffix.lower() == ".dae"):
            return candidate
    return None


def _read(path, matrix, submesh=None):
    """Pieces of a mesh file."""
    data = path.read_bytes()
    if len(data) > LARGEST_FILE:
        raise InputError(f"{path.name}: expected at most {LARGEST_FILE} bytes, got {len(data)}")
    unit = 1.0
    if path.suffix.lower() == ".dae":
        found = re.search(rb'<unit[^>]*meter="([0-9.eE+-]+)"', data[:6000])
        unit = float(found.group(1)) if found else 1.0
    scene = read_scene(
        path.name, io.BytesIO(data), file_type=path.suffix[1:].lower(), resolver=_Textures(path)
    )
    return pieces_of(scene, matrix @ np.diag([unit, unit, unit, 1.0]), _geometry(data, submesh))


def _geometry(data, submesh):
    """Identifier of the geometry that a COLLADA node of this name shows; None for all, or where
    there is none.
    """
    if submesh is None:
        return None
    node = rf'<node[^>]*name="{re.escape(submesh)}".*?<instance_geometry[^>]*url="#([^"]+)"'
    found = re.search(node.encode(), data, re.DOTALL)
    return found.group(1).decode() if found else None
