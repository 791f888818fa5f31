"""From what trimesh reads to a Model: one list of triangles, smooth normals with creases, square
textures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import trimesh
from PIL import Image

from depth_ros.core.errors import InputError
from depth_ros.synthetic.raster.assets import TEXTURE_PX, Model

_CREASE_COS = np.cos(np.radians(40))
_GREY = (0.7, 0.7, 0.7)
_MOST_TEXTURES = 12
_MOST_TRIANGLES = 80_000
LARGEST_FILE = 9_000_000  # bytes


@dataclass(frozen=True)
class Piece:
    """A mesh of one material.

    Attributes:
        vertices: (N, 3) m, in the axes of the file.
        faces: (M, 3).
        uv: (N, 2), v upwards; None without a texture.
        color: (3,) in [0, 1].
        opacity: in [0, 1].
        image: the texture, None without.
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None
    color: np.ndarray
    opacity: float
    image: Image.Image | None


def read_scene(name: str, file, **options) -> trimesh.Scene:
    """Read a mesh file with trimesh; raises InputError, whatever its readers stumble over."""
    try:
        return trimesh.load(file, process=False, force="scene", **options)
    except (
        Exception
    ) as error:  # its readers raise what they come across: ValueError, IndexError, KeyError, ...
        raise InputError(f"{name}: expected a mesh, got {type(error).__name__}: {error}") from error


def limited(name: str, pieces: list[Piece]) -> list[Piece]:
    """Return the pieces; raises InputError where there are none or they are too fine."""
    triangles = sum(len(piece.faces) for piece in pieces)
    if not 0 < triangles <= _MOST_TRIANGLES:
        raise InputError(f"{name}: expected 1 to {_MOST_TRIANGLES} triangles, got {triangles}")
    return pieces


def pieces_of(scene: trimesh.Scene, matrix: np.ndarray, only: str | None = None) -> list[Piece]:
    """Take a scene apart.

    Args:
        scene: what trimesh has read.
        matrix: (4, 4), moves its vertices.
        only: how the names of the wanted geometries begin; None for all.
    """
    pieces = []
    for node in scene.graph.nodes_geometry:
        node_matrix, geometry = scene.graph[node]
        mesh = scene.geometry[geometry]
        if not hasattr(mesh, "faces") or len(mesh.faces) == 0:
            continue
        if only is not None and not geometry.startswith(only):
            continue
        pieces.append(_piece(mesh, matrix @ node_matrix))
    return pieces


def _piece(mesh, matrix):
    vertices = mesh.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    faces = mesh.faces if np.linalg.det(matrix[:3, :3]) > 0 else mesh.faces[:, ::-1]
    color, opacity, image = _material(getattr(mesh.visual, "material", None))
    uv = getattr(mesh.visual, "uv", None)
    if uv is None or len(uv) != len(vertices):
        return Piece(vertices, faces, None, color, opacity, None)
    return Piece(vertices, faces, uv, color, opacity, image)


def _material(material):
    """Colour (3,), opacity and texture of a trimesh material of either kind."""
    color = getattr(material, "diffuse", None)
    if color is None:
        color = getattr(material, "baseColorFactor", None)
    image = getattr(material, "image", None)
    if image is None:
        image = getattr(material, "baseColorTexture", None)
    if color is None:
        return np.array(_GREY), 1.0, image
    color = np.asarray(color, np.float64).ravel()
    if color.max() > 1:
        color = color / 255
    opacity = float(color[3]) if len(color) > 3 else 1.0
    return color[:3], opacity if opacity > 0.02 else 1.0, image


def joined(pieces: list[Piece]) -> Model:
    """Join pieces, already in metres and optical axes, to a model."""
    images = []
    rows = {"vertices": [], "normals": [], "uv": [], "faces": []}
    colors, texture_of, opacity, starts = [], [], [], [0]
    count = 0
    for piece in pieces:
        vertices, normals, uv, faces = _welded(piece)
        if len(faces) == 0:
            continue
        rows["vertices"].append(vertices)
        rows["normals"].append(normals)
        rows["uv"].append(uv)
        rows["faces"].append(faces + count)
        count += len(vertices)
        starts.append(starts[-1] + len(faces))
        number = _texture_number(images, piece.image)
        texture_of.append(number)
        colors.append(np.ones(3) if number >= 0 else piece.color)
        opacity.append(piece.opacity)
    squares = [_square(image) for image in images]
    none = np.zeros((0, TEXTURE_PX, TEXTURE_PX, 4), np.uint8)
    return Model(
        **{name: np.concatenate(parts) for name, parts in rows.items()},
        starts=np.array(starts, np.int32),
        colors=np.clip(colors, 0, 1).astype(np.float32),
        texture_of=np.array(texture_of, np.int16),
        opacity=np.array(opacity, np.float32),
        textures=np.stack(squares) if squares else none,
    )


def _texture_number(images, image):
    """Index of an image among those already met; -1 for none, or where there are too many."""
    if image is None:
        return -1
    for number, known in enumerate(images):
        if known is image or (known.size == image.size and known.tobytes() == image.tobytes()):
            return number
    if len(images) >= _MOST_TEXTURES:
        return -1
    images.append(image)
    return len(images) - 1


def _square(image):
    return np.asarray(image.convert("RGBA").resize((TEXTURE_PX, TEXTURE_PX), Image.Resampling.BOX))


def _welded(piece):
    """Vertices, normals, uv, faces: corners that agree in all of them become one vertex."""
    faces = _without_slivers(piece.vertices, piece.faces)
    if len(faces) == 0:
        return None, None, None, faces
    normals = corner_normals(piece.vertices, faces)
    flat = faces.ravel()
    uv = np.zeros((len(flat), 2)) if piece.uv is None else piece.uv[flat] * [1, -1] + [0, 1]
    rows = np.concatenate([piece.vertices[flat], normals.reshape(-1, 3), uv], 1).astype(np.float32)
    _, first, inverse = np.unique(
        np.round(rows * 1e4).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    kept = rows[first]
    return kept[:, :3], kept[:, 3:6], kept[:, 6:], inverse.reshape(-1, 3).astype(np.int32)


def _without_slivers(vertices, faces):
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return np.asarray(faces)[np.linalg.norm(normal, axis=1) > 1e-12]


def corner_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return normals (M, 3, 3) at the corners of triangles: smooth, but for creases sharper than 40
    degrees.

    The normal at a corner is the mean of those of the triangles about its vertex that lie within
    the angle.
    """
    corner = vertices[faces]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    unit = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20)
    _, place = np.unique(np.round(vertices * 1e5).astype(np.int64), axis=0, return_inverse=True)
    vertex = place.ravel()[faces].ravel()
    face = np.repeat(np.arange(len(faces)), 3)
    order = np.argsort(vertex, kind="stable")
    counts = np.bincount(vertex)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    degree = counts[vertex]
    one = np.repeat(np.arange(len(vertex)), degree)
    step = np.arange(len(one)) - np.repeat(np.cumsum(degree) - degree, degree)
    other = face[order[starts[vertex[one]] + step]]
    near = np.einsum("ij,ij->i", unit[face[one]], unit[other]) > _CREASE_COS
    total = np.zeros((len(vertex), 3))
    for axis in range(3):
        total[:, axis] = np.bincount(one[near], normal[other[near], axis], len(vertex))
    total /= np.linalg.norm(total, axis=1, keepdims=True) + 1e-20
    return total.reshape(-1, 3, 3)


def stood(pieces: list[Piece], size_m: np.ndarray | None = None) -> list[Piece]:
    """Stand pieces (optical axes) on y = 0 about x = z = 0, stretched to size_m (3,) if given."""
    points = np.concatenate([piece.vertices for piece in pieces])
    low, high = points.min(0), points.max(0)
    scale = np.ones(3)
    if size_m is not None:
        extent = np.where(high - low > 1e-9, high - low, 1.0)
        scale = np.asarray(size_m) / extent
    origin = np.array([(low[0] + high[0]) / 2, high[1], (low[2] + high[2]) / 2])
    return [
        Piece(
            (piece.vertices - origin) * scale,
            piece.faces,
            piece.uv,
            piece.color,
            piece.opacity,
            piece.image,
        )
        for piece in pieces
    ]
