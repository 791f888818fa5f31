"""What a renderer draws: parts (a mesh with a material), light, sky."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.synthetic.raster.mesh import Mesh

PART_TEXELS = 5  # of four float32 each, in the table that the shaders read


@dataclass(frozen=True)
class Material:
    """How a surface looks: a texture of the bank, changed in contrast, brightness and colour.

    Attributes:
        texture: layer of the bank's textures.
        repeat: how often the texture repeats in one unit of uv, (u, v).
        offset: where in the texture the surface begins, (u, v).
        tint: factor on the linear colour, (r, g, b).
        contrast: of the texture about its mean colour; 0 is bare.
        cutout: layer of the bank's cut-outs, None for a solid surface.
        specular: strength of highlights.
        shininess: exponent of highlights (Blinn-Phong).
        mirror: share of the surroundings that the surface reflects.
        glow: linear light that it gives off by itself.
        opacity: below 1 a pane: drawn after everything else; its depth is still the first
            surface's.
    """

    texture: int = 0
    repeat: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    cutout: int | None = None
    specular: float = 0.0
    shininess: float = 30.0
    mirror: float = 0.0
    glow: float = 0.0
    opacity: float = 1.0


@dataclass(frozen=True)
class Part:
    """One mesh in the world with its material.

    Attributes:
        mesh: in world axes, or in its own where there is a matrix.
        material: how it looks.
        instance: number of the object that it is part of, above 0.
        matrix: world_T_mesh (4, 4), None for identity.
    """

    mesh: Mesh
    material: Material
    instance: int
    matrix: np.ndarray | None = None


@dataclass(frozen=True)
class Light:
    """Light of a scene; colours are linear, about 1 for daylight.

    Attributes:
        towards_sun: (3,) unit vector, world axes (y down).
        sun: (3,) colour of direct light.
        sky: (3,) ambient light from above.
        ground: (3,) ambient light from below.
        lamps: (L, 3) positions of lamps, metres, L <= 2.
        lamp_colors: (L, 3) their colours at one metre.
        shadow_center: (3,) m, shadows fall around here; None for no shadows.
        shadow_radius: m.
        environment: layer of the bank's textures that mirrors and the sky show.
        fog: density, 1/m.
        sky_gain: brightness of the sky that is seen.
    """

    towards_sun: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    ground: np.ndarray
    lamps: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    lamp_colors: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    shadow_center: np.ndarray | None = None
    shadow_radius: float = 5.0
    environment: int = 0
    fog: float = 0.0
    sky_gain: float = 1.0


@dataclass(frozen=True)
class Scene:
    """Parts and light, all in world axes (x right, y down, z forward), metres."""

    parts: list[Part]
    light: Light

    def __post_init__(self):
        if not self.parts:
            raise InputError("expected a scene with at least one part, got none")


@dataclass(frozen=True)
class Bank:
    """Textures and cut-outs that all scenes of a renderer share.

    Attributes:
        textures: (N, S, S, 3) uint8, colours as a display shows them.
        cutouts: (M, T, T) uint8, 0 where the surface has a hole.
    """

    textures: np.ndarray
    cutouts: np.ndarray

    def __post_init__(self):
        if (
            self.textures.ndim != 4
            or self.textures.shape[3] != 3
            or self.textures.dtype != np.uint8
        ):
            raise InputError(
                "expected textures (N,S,S,3) uint8, "
                f"got {self.textures.shape} {self.textures.dtype}"
            )
        if self.cutouts.ndim != 3 or self.cutouts.dtype != np.uint8:
            raise InputError(
                f"expected cut-outs (M,T,T) uint8, got {self.cutouts.shape} {self.cutouts.dtype}"
            )


@dataclass(frozen=True)
class Truth:
    """What is seen first along the ray through each pixel centre.

    Attributes:
        depth: (H, W) float32, metres along z, NaN where there is only sky.
        normal: (H, W, 3) float32, unit, world axes, towards the camera; NaN in the sky.
        instance: (H, W) int32, number of the object, 0 in the sky.
    """

    depth: np.ndarray
    normal: np.ndarray
    instance: np.ndarray


@dataclass(frozen=True)
class Geometry:
    """A scene as the arrays that are uploaded.

    Attributes:
        vertices: (N, 9) float32: position, normal, uv, part number.
        faces: (M, 3) int32 triangles by pass: one of shaders.PASSES.
        table: (P, 5, 4) float32, the materials.
    """

    vertices: np.ndarray
    faces: dict[str, np.ndarray]
    table: np.ndarray


def packed(scene: Scene, mean_colors: np.ndarray, eye: np.ndarray) -> Geometry:
    """Lay out a scene for upload; the nearest parts come first, so that what they hide is never
    shaded.

    Args:
        scene: what to draw.
        mean_colors: (N, 3) linear mean colour of each texture of the bank.
        eye: (3,) m, where it will be seen from.
    """
    meshes = [
        part.mesh if part.matrix is None else part.mesh.transformed(part.matrix)
        for part in scene.parts
    ]
    distance = [_distance(mesh, eye) for mesh in meshes]
    order = np.argsort(distance, kind="stable")
    vertices = []
    faces = {}
    start = 0
    for number, index in enumerate(order):
        part = scene.parts[index]
        mesh = meshes[index]
        tag = np.full((len(mesh.vertices), 1), number, np.float32)
        vertices.append(np.concatenate([mesh.vertices, mesh.normals, mesh.uv, tag], 1))
        faces.setdefault(_pass_of(part.material), []).append(mesh.faces + start)
        start += len(mesh.vertices)
    joined = {name: np.concatenate(lists).astype(np.int32) for name, lists in faces.items()}
    table = np.stack([_row(scene.parts[index], mean_colors) for index in order])
    return Geometry(np.concatenate(vertices).astype(np.float32), joined, table)


def _distance(mesh, eye):
    """Distance to the nearest vertex, with the extent added: walls and floors come last."""
    low, high = mesh.bounds
    return float(np.linalg.norm((low + high) / 2 - eye) + np.linalg.norm(high - low) / 2)


def _pass_of(material):
    if material.opacity < 1:
        return "panes"
    if material.cutout is not None:
        return "cut"
    if material.mirror > 0:
        return "mirror"
    return "glossy" if material.specular > 0 else "solid"


def _row(part, mean_colors):
    """One row (5,4) of the table: gain and offset of the texture, uv transform, gloss."""
    material = part.material
    tint = np.asarray(material.tint, np.float64)
    gain = material.contrast * tint
    offset = (1 - material.contrast) * mean_colors[material.texture] * tint
    cutout = -1 if material.cutout is None else material.cutout
    return np.array(
        [
            [material.texture, cutout, part.instance, material.opacity],
            [*gain, material.glow],
            [*offset, material.mirror],
            [*material.repeat, *material.offset],
            [material.specular, material.shininess, 0, 0],
        ],
        np.float32,
    )
