"""What things are made of, and the builder that puts shapes together to things of everyday size.

World axes are optical (x right, y down, z forward); the ground or floor is y = 0, so what stands
has y < 0.
"""

from __future__ import annotations

import numpy as np

from depth_ros.synthetic.renderer import BOX, Scene
from depth_ros.synthetic.shading import Sky

LYING = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # rows: a quad's axes on the ground

UPRIGHT = np.eye(3)

# Base colours of materials; each use varies them.
ASPHALT = [(0.3, 0.3, 0.31), (0.4, 0.4, 0.41), (0.5, 0.49, 0.48), (0.24, 0.24, 0.26)]

PAVING = [(0.55, 0.53, 0.5), (0.6, 0.56, 0.52), (0.48, 0.46, 0.45), (0.55, 0.42, 0.36)]

GRASS = [(0.3, 0.42, 0.18), (0.38, 0.45, 0.22), (0.45, 0.42, 0.25), (0.22, 0.33, 0.14)]

LEAVES = [
    (0.2, 0.34, 0.13),
    (0.28, 0.4, 0.16),
    (0.15, 0.26, 0.12),
    (0.42, 0.38, 0.15),
    (0.4, 0.25, 0.12),
]

FACADE = [
    (0.78, 0.72, 0.6),
    (0.85, 0.83, 0.78),
    (0.6, 0.35, 0.27),
    (0.65, 0.62, 0.58),
    (0.72, 0.55, 0.4),
    (0.5, 0.48, 0.46),
    (0.85, 0.76, 0.55),
    (0.45, 0.3, 0.24),
    (0.6, 0.66, 0.7),
]

ROOF = [(0.45, 0.24, 0.18), (0.32, 0.28, 0.27), (0.5, 0.33, 0.25), (0.25, 0.25, 0.28)]

CAR = [
    (0.08, 0.08, 0.09),
    (0.75, 0.76, 0.77),
    (0.5, 0.51, 0.53),
    (0.9, 0.9, 0.9),
    (0.5, 0.08, 0.08),
    (0.1, 0.18, 0.42),
    (0.25, 0.26, 0.28),
    (0.12, 0.3, 0.2),
    (0.75, 0.65, 0.2),
]

WOOD = [
    (0.55, 0.38, 0.22),
    (0.72, 0.56, 0.36),
    (0.38, 0.24, 0.14),
    (0.82, 0.72, 0.55),
    (0.9, 0.88, 0.84),
]

METAL = [(0.6, 0.61, 0.62), (0.35, 0.36, 0.38), (0.78, 0.78, 0.78), (0.15, 0.15, 0.16)]

WALL = [
    (0.88, 0.87, 0.83),
    (0.8, 0.8, 0.78),
    (0.85, 0.8, 0.68),
    (0.7, 0.76, 0.78),
    (0.75, 0.68, 0.62),
    (0.92, 0.92, 0.9),
    (0.62, 0.66, 0.6),
    (0.58, 0.4, 0.32),
]

FLOOR = [
    (0.5, 0.36, 0.22),
    (0.65, 0.5, 0.33),
    (0.6, 0.6, 0.6),
    (0.45, 0.46, 0.5),
    (0.75, 0.72, 0.66),
    (0.35, 0.3, 0.28),
    (0.5, 0.3, 0.25),
    (0.3, 0.36, 0.34),
]

CLOTH = [
    (0.15, 0.17, 0.25),
    (0.5, 0.12, 0.13),
    (0.2, 0.3, 0.5),
    (0.75, 0.73, 0.7),
    (0.1, 0.1, 0.1),
    (0.4, 0.38, 0.3),
    (0.65, 0.5, 0.2),
    (0.25, 0.42, 0.35),
]

SKIN = [(0.8, 0.6, 0.48), (0.62, 0.42, 0.3), (0.4, 0.26, 0.18), (0.15, 0.1, 0.08)]

PAPER = [
    (0.9, 0.88, 0.82),
    (0.2, 0.35, 0.55),
    (0.75, 0.3, 0.2),
    (0.3, 0.5, 0.35),
    (0.85, 0.7, 0.25),
    (0.12, 0.12, 0.14),
]

GLASS = (0.16, 0.19, 0.23)


def yaw_axes(yaw: float) -> np.ndarray:
    """Rows (3,3): the axes of something turned by `yaw` rad about the vertical; its z axis is
    (sin, 0, cos).
    """
    c = np.cos(yaw)
    s = np.sin(yaw)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def material(
    rng, bases, grain_m=0.3, contrast=0.2, mirror=0.0, stripes=0.0, stripe_m=0.1, wild=0.1
) -> dict:
    """Draw a surface whose coarse grain is about grain_m metres; a share `wild` is of any colour
    and contrast.
    """
    base = np.array(bases[rng.integers(len(bases))]) * rng.uniform(0.8, 1.15)
    base = base * (1 + rng.normal(0, 0.05, 3))
    if rng.random() < wild:
        base = rng.uniform(0.05, 0.95, 3)
        contrast = rng.uniform(0.1, 0.7)
    span = contrast * rng.uniform(0.3, 1.3) * (1 + rng.normal(0, 0.15, 3)) / 2
    colors = np.clip(
        [
            base - span,
            base + span,
            base * rng.uniform(0.75, 1.15) + rng.normal(0, 0.3 * contrast, 3),
        ],
        0.02,
        0.98,
    )
    direction = rng.normal(size=3)
    return dict(
        freq=np.exp(rng.normal(0, 0.4)) / grain_m,
        gain=rng.uniform(0.55, 1.0),
        stripes=stripes,
        stripe_dir=direction / np.linalg.norm(direction) / stripe_m,
        sharp=np.exp(rng.uniform(1.0, 2.6)),
        colors=colors,
        mirror=mirror,
        offset=rng.uniform(0, 60, 3),
        cutout=0.0,
        cells=np.zeros(3),
        fill=np.ones(3),
        cell_color=np.zeros(3),
        vary=0.0,
        glow=0.0,
    )


def foliage(rng, cutout) -> dict:
    """Draw leaves of one kind: light and shade of the same green (or autumn's brown), with
    holes.
    """
    leaves = material(rng, LEAVES, rng.uniform(0.12, 0.4), 0.1)
    green = np.array(LEAVES[rng.integers(len(LEAVES))]) * rng.uniform(0.6, 1.2)
    leaves["colors"] = np.clip(green * np.array([[0.55], [1.35], [rng.uniform(0.7, 1.2)]]), 0.02, 1)
    return dict(leaves, cutout=cutout, gain=rng.uniform(0.8, 1.1))


def grid(half, wanted_m) -> np.ndarray:
    """Periods (3,) m of a whole number of cells over a box of half size `half`, near wanted_m
    (3,); 0 stays 0.
    """
    half = np.asarray(half, float)
    wanted = np.asarray(wanted_m, float)
    count = np.maximum(np.round(2 * half / np.where(wanted > 0, wanted, 1.0)), 1)
    return np.where(wanted > 0, 2 * half / count, 0.0)


class Builder:
    """Collects shapes; everything added between two calls of `group` belongs to one thing that
    may move.
    """

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self.rows = []
        self.groups = []
        self.taken = []
        self.current = -1
        self._count = 0
        self._frame = (np.zeros(3), np.eye(3))

    def stand(self, x: float, z: float, yaw: float = 0.0, y: float = 0.0) -> None:
        """Put the origin of what follows on the ground at (x, z), its z axis towards yaw."""
        self._frame = (np.array([x, y, z], float), yaw_axes(yaw))

    def group(self, moving: bool = True) -> int:
        """Begin a thing, give its number; moving=False: back to what stands still (-1)."""
        self._count += moving
        self.current = self._count - 1 if moving else -1
        return self.current

    def add(self, kind, center, half, surface, axes=UPRIGHT, **changes) -> None:
        """Add a shape: center (3,) m and axes (rows) in the frame of `stand`, half (3,) m."""
        origin, frame = self._frame
        row = dict(
            surface,
            kind=kind,
            center=origin + np.asarray(center, float) @ frame,
            axes=axes @ frame,
            half=np.maximum(np.asarray(half, float), 1e-3),
            **changes,
        )
        self.rows.append(row)
        self.groups.append(self.current)

    def box(self, center, size, surface, **changes) -> None:
        """Add a box of full size (x, y, z) m."""
        self.add(BOX, center, np.asarray(size) / 2, surface, **changes)

    def free(self, x: float, z: float, radius: float) -> bool:
        """Take a circle of ground; False where another one is in the way."""
        if any(np.hypot(x - a, z - b) < radius + r for a, b, r in self.taken):
            return False
        self.taken.append((x, z, radius))
        return True

    def scene(self, light, sky: Sky) -> Scene:
        """Return all shapes as a Scene under this light (3,) and sky."""
        columns = {
            k: np.array([row[k] for row in self.rows], np.float32)
            for k in self.rows[0]
            if k != "kind"
        }
        light = np.asarray(light, float) / np.linalg.norm(light)
        kinds = np.array([row["kind"] for row in self.rows], np.int64)
        return Scene(kind=kinds, light=light.astype(np.float32), sky=sky, **columns)
