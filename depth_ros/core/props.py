"""Things of everyday size for metric worlds: a builder with materials, and cars, trees, people, furniture made with it.

World axes are optical (x right, y down, z forward); the ground or floor is y = 0, so what stands has y < 0.
"""

from __future__ import annotations

import numpy as np

from .surfaces import Sky
from .world import BOX, ELLIPSOID, TUBE, Scene

LYING = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # rows: a quad's axes on the ground
UPRIGHT = np.eye(3)

# Base colours of materials; each use varies them.
ASPHALT = [(0.3, 0.3, 0.31), (0.4, 0.4, 0.41), (0.5, 0.49, 0.48), (0.24, 0.24, 0.26)]
PAVING = [(0.55, 0.53, 0.5), (0.6, 0.56, 0.52), (0.48, 0.46, 0.45), (0.55, 0.42, 0.36)]
GRASS = [(0.3, 0.42, 0.18), (0.38, 0.45, 0.22), (0.45, 0.42, 0.25), (0.22, 0.33, 0.14)]
LEAVES = [(0.2, 0.34, 0.13), (0.28, 0.4, 0.16), (0.15, 0.26, 0.12), (0.42, 0.38, 0.15), (0.4, 0.25, 0.12)]
FACADE = [(0.78, 0.72, 0.6), (0.85, 0.83, 0.78), (0.6, 0.35, 0.27), (0.65, 0.62, 0.58), (0.72, 0.55, 0.4),
          (0.5, 0.48, 0.46), (0.85, 0.76, 0.55), (0.45, 0.3, 0.24), (0.6, 0.66, 0.7)]  # fmt: skip
ROOF = [(0.45, 0.24, 0.18), (0.32, 0.28, 0.27), (0.5, 0.33, 0.25), (0.25, 0.25, 0.28)]
CAR = [(0.08, 0.08, 0.09), (0.75, 0.76, 0.77), (0.5, 0.51, 0.53), (0.9, 0.9, 0.9), (0.5, 0.08, 0.08), (0.1, 0.18, 0.42),
       (0.25, 0.26, 0.28), (0.12, 0.3, 0.2), (0.75, 0.65, 0.2)]  # fmt: skip
WOOD = [(0.55, 0.38, 0.22), (0.72, 0.56, 0.36), (0.38, 0.24, 0.14), (0.82, 0.72, 0.55), (0.9, 0.88, 0.84)]
METAL = [(0.6, 0.61, 0.62), (0.35, 0.36, 0.38), (0.78, 0.78, 0.78), (0.15, 0.15, 0.16)]
WALL = [(0.88, 0.87, 0.83), (0.8, 0.8, 0.78), (0.85, 0.8, 0.68), (0.7, 0.76, 0.78), (0.75, 0.68, 0.62), (0.92, 0.92, 0.9),
        (0.62, 0.66, 0.6), (0.58, 0.4, 0.32)]  # fmt: skip
FLOOR = [(0.5, 0.36, 0.22), (0.65, 0.5, 0.33), (0.6, 0.6, 0.6), (0.45, 0.46, 0.5), (0.75, 0.72, 0.66), (0.35, 0.3, 0.28),
         (0.5, 0.3, 0.25), (0.3, 0.36, 0.34)]  # fmt: skip
CLOTH = [(0.15, 0.17, 0.25), (0.5, 0.12, 0.13), (0.2, 0.3, 0.5), (0.75, 0.73, 0.7), (0.1, 0.1, 0.1), (0.4, 0.38, 0.3),
         (0.65, 0.5, 0.2), (0.25, 0.42, 0.35)]  # fmt: skip
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
    """Rows (3,3): the axes of something turned by `yaw` rad about the vertical; its z axis is (sin, 0, cos)."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def material(rng, bases, grain_m=0.3, contrast=0.2, mirror=0.0, stripes=0.0, stripe_m=0.1) -> dict:
    """Draw a surface whose coarse grain is about grain_m metres; one in ten is of any colour and strong contrast."""
    base = np.array(bases[rng.integers(len(bases))]) * rng.uniform(0.8, 1.15) + rng.normal(0, 0.03, 3)
    if rng.random() < 0.1:
        base, contrast = rng.uniform(0.05, 0.95, 3), rng.uniform(0.1, 0.7)
    span = contrast * rng.uniform(0.3, 1.3) * (1 + rng.normal(0, 0.15, 3)) / 2
    colors = np.clip(
        [base - span, base + span, base * rng.uniform(0.75, 1.15) + rng.normal(0, 0.3 * contrast, 3)], 0.02, 0.98
    )
    direction = rng.normal(size=3)
    return dict(
        freq=np.exp(rng.normal(0, 0.4)) / grain_m, gain=rng.uniform(0.55, 1.0), stripes=stripes,
        stripe_dir=direction / np.linalg.norm(direction) / stripe_m, sharp=np.exp(rng.uniform(1.0, 2.6)), colors=colors,
        mirror=mirror, offset=rng.uniform(0, 60, 3), cutout=0.0, cells=np.zeros(3), fill=np.ones(3),
        cell_color=np.zeros(3), vary=0.0, glow=0.0,
    )  # fmt: skip


class Builder:
    """Collects shapes; everything added between two calls of `group` belongs to one thing that may move."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.rows, self.groups, self.taken = rng, [], [], []
        self.current, self._count, self._frame = -1, 0, (np.zeros(3), np.eye(3))

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
        row = dict(surface, kind=kind, center=origin + np.asarray(center, float) @ frame, axes=axes @ frame,
                   half=np.maximum(np.asarray(half, float), 1e-3), **changes)  # fmt: skip
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
        """Give all shapes as a Scene under this light (3,) and sky."""
        columns = {k: np.array([row[k] for row in self.rows], np.float32) for k in self.rows[0] if k != "kind"}
        light = np.asarray(light, float) / np.linalg.norm(light)
        kinds = np.array([row["kind"] for row in self.rows], np.int64)
        return Scene(kind=kinds, light=light.astype(np.float32), sky=sky, **columns)


def grid(half, wanted_m) -> np.ndarray:
    """Periods (3,) m of a whole number of cells over a box of half size `half`, near wanted_m (3,); 0 stays 0."""
    half, wanted = np.asarray(half, float), np.asarray(wanted_m, float)
    count = np.maximum(np.round(2 * half / np.where(wanted > 0, wanted, 1.0)), 1)
    return np.where(wanted > 0, 2 * half / count, 0.0)


# --- outdoors


def car(b: Builder, x, z, yaw=0.0) -> None:
    """A car of about 4.2 x 1.7 x 1.5 m, sometimes a van or a lorry; it looks along yaw."""
    rng = b.rng
    big = rng.random()
    length, width, height = rng.uniform(3.6, 4.8), rng.uniform(1.6, 1.9), rng.uniform(1.4, 1.7)
    if big > 0.93:
        length, width, height = rng.uniform(6, 11), 2.4, rng.uniform(2.8, 3.8)
    elif big > 0.82:
        length, width, height = rng.uniform(4.6, 5.6), 1.95, rng.uniform(1.9, 2.5)
    b.stand(x, z, yaw)
    paint = material(rng, CAR, 1.5, 0.06, mirror=rng.uniform(0.05, 0.3))
    glass = material(rng, [GLASS], 2.0, 0.08, mirror=rng.uniform(0.2, 0.5))
    black = material(rng, [(0.06, 0.06, 0.06)], 0.1, 0.05)
    wheel = rng.uniform(0.29, 0.36) * (1.4 if big > 0.93 else 1)
    waist = height * rng.uniform(0.52, 0.62)
    b.box([0, -(0.22 + waist) / 2, 0], [width, waist - 0.22, length], paint)
    if big > 0.82:
        b.box([0, -(waist + height) / 2, -0.08 * length], [width, height - waist, length * 0.84], paint)
        b.box(
            [0, -(waist * 1.15 + height * 0.95) / 2, 0.05 * length],
            [width * 1.002, 0.35 * (height - waist), length * 0.6],
            glass,
        )
        b.box(
            [0, -(waist * 1.1 + height * 0.9) / 2, -0.5 * length + 0.02],
            [width * 0.85, 0.3 * (height - waist), 0.05],
            glass,
        )
    else:
        back = rng.choice([-0.02, -0.1, -0.16])
        cabin = length * rng.uniform(0.48, 0.62)
        b.box([0, -(waist + height) / 2, back * length], [width * 0.86, height - waist, cabin], glass)
        b.box([0, -height, back * length], [width * 0.84, 0.06, cabin * 0.8], paint)
        tilt = np.array([[1.0, 0, 0], [0, 0.5, -0.87], [0, 0.87, 0.5]])
        for sign in (-1, 1):
            rows = tilt * [1, 1, sign] * [[1], [1], [sign]]
            b.add(
                BOX,
                [0, -(waist + height) / 2 + 0.05, back * length + sign * cabin * 0.48],
                [width * 0.42, 0.025, 0.36],
                glass,
                rows,
            )
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(ELLIPSOID, [sx * (width / 2 - 0.09), -wheel, sz * length * 0.31], [0.12, wheel, wheel], black)
    for sx in (-1, 1):
        lamp = material(rng, [(0.6, 0.08, 0.06)], 0.5, 0.05)
        b.box([sx * width * 0.38, -waist * 0.85, -length / 2], [0.28, 0.16, 0.04], lamp)
    plate = material(rng, [(0.85, 0.85, 0.8)], 0.05, 0.3)
    b.box([0, -waist * 0.6, -length / 2], [0.5, 0.12, 0.03], plate)


def tree(b: Builder, x, z, height=None) -> None:
    """A trunk and a crown of ragged ellipsoids, 3 to 14 m tall."""
    rng = b.rng
    height = rng.uniform(3, 14) if height is None else height
    trunk = height * rng.uniform(0.2, 0.45)
    b.stand(x, z, rng.uniform(0, 6))
    radius = 0.02 * height + rng.uniform(0.02, 0.08)
    b.add(TUBE, [0, -trunk * 0.8, 0], [radius, trunk * 0.8, radius], material(rng, WOOD[2:3], 0.2, 0.3))
    bare = rng.random() < 0.12
    for _ in range(rng.integers(2, 6)):
        size = height * rng.uniform(0.15, 0.32) * rng.uniform(0.8, 1.2, 3)
        place = [
            rng.normal(0, 0.12) * height,
            -trunk - rng.uniform(0.2, 0.75) * (height - trunk),
            rng.normal(0, 0.12) * height,
        ]
        b.add(ELLIPSOID, place, size, foliage(rng, 0.7 if bare else rng.uniform(0.0, 0.35)))


def foliage(rng, cutout) -> dict:
    """Draw leaves of one kind: light and shade of the same green (or autumn's brown), with holes."""
    leaves = material(rng, LEAVES, rng.uniform(0.12, 0.4), 0.1)
    green = np.array(LEAVES[rng.integers(len(LEAVES))]) * rng.uniform(0.6, 1.2)
    leaves["colors"] = np.clip(green * np.array([[0.55], [1.35], [rng.uniform(0.7, 1.2)]]), 0.02, 1)
    return dict(leaves, cutout=cutout, gain=rng.uniform(0.8, 1.1))


def bush(b: Builder, x, z, size=None) -> None:
    """A round bush, half in the ground."""
    rng, size = b.rng, size or b.rng.uniform(0.3, 1.2)
    b.stand(x, z)
    b.add(ELLIPSOID, [0, -0.4 * size, 0], size * rng.uniform(0.7, 1.2, 3), foliage(rng, rng.uniform(0, 0.3)))


def person(b: Builder, x, z, yaw=0.0, height=None) -> None:
    """Somebody of 1.1 to 1.95 m: legs, body, arms, head."""
    rng = b.rng
    h = height or rng.uniform(1.5, 1.95) * (0.7 if rng.random() < 0.1 else 1)
    b.stand(x, z, yaw)
    top, legs = material(rng, CLOTH, 0.15, 0.15), material(rng, CLOTH, 0.15, 0.1)
    skin, hair = material(rng, SKIN, 0.3, 0.06), material(rng, SKIN[2:], 0.1, 0.1)
    step = rng.uniform(-0.12, 0.12) * h
    for side in (-1, 1):
        b.add(
            ELLIPSOID,
            [side * 0.055 * h, -0.25 * h, side * step / 2],
            [0.05 * h, 0.27 * h, 0.055 * h + abs(step) / 3],
            legs,
        )
        b.add(ELLIPSOID, [side * 0.14 * h, -0.62 * h, -side * step / 2], [0.032 * h, 0.19 * h, 0.04 * h], top)
        b.add(ELLIPSOID, [side * 0.055 * h, -0.025 * h, side * step + 0.03], [0.03 * h, 0.025 * h, 0.07 * h], hair)
    b.add(ELLIPSOID, [0, -0.65 * h, 0], [0.12 * h, 0.2 * h, 0.075 * h], top)
    b.add(ELLIPSOID, [0, -0.925 * h, 0.01], [0.045 * h, 0.072 * h, 0.055 * h], skin)
    b.add(ELLIPSOID, [0, -0.94 * h, -0.012], [0.048 * h, 0.066 * h, 0.055 * h], hair)


def pole(b: Builder, x, z) -> None:
    """A lamp post, a sign or a traffic light."""
    rng = b.rng
    height, radius = rng.uniform(2.2, 9), rng.uniform(0.03, 0.12)
    b.stand(x, z, rng.normal(0, 0.3))
    metal = material(rng, METAL, 0.6, 0.1)
    b.add(TUBE, [0, -height / 2, 0], [radius, height / 2, radius], metal)
    kind = rng.random()
    side = -np.sign(x) if x else 1.0
    if height > 4.5:  # lamp on an arm over the road
        b.box([side * 0.7, -height, 0], [1.5, 0.1, 0.1], metal)
        b.box([side * 1.4, -height, 0], [0.6, 0.12, 0.22], metal)
    elif kind < 0.6:
        sign = material(rng, PAPER + [(0.7, 0.1, 0.1)], 0.3, 0.5)
        b.add(ELLIPSOID, [0, -height + 0.3, -radius], [0.33, 0.33, 0.02], sign)
        b.add(ELLIPSOID, [0, -height + 0.3, -radius - 0.01], [0.24, 0.24, 0.02], material(rng, PAPER, 0.2, 0.6))
    elif kind < 0.8:
        b.box([0, -height + 0.4, -0.1], [0.3, 0.85, 0.25], material(rng, METAL[3:], 0.3, 0.1))


# --- furniture: made around its own frame, its front along -z


def table(b: Builder, width=1.4, depth=0.75, height=0.74) -> None:
    """A table or desk: a board, four legs or two side panels."""
    rng, wood = b.rng, material(b.rng, WOOD, 0.5, 0.15, stripes=b.rng.choice([0, 0.5]), stripe_m=0.08)
    b.box([0, -height + 0.015, 0], [width, 0.03, depth], wood)
    leg = material(rng, METAL + WOOD, 0.4, 0.08)
    for sx in (-1, 1):
        if rng.random() < 0.3:
            b.box([sx * (width / 2 - 0.03), -height / 2 + 0.01, 0], [0.03, height - 0.03, depth * 0.9], wood)
            continue
        for sz in (-1, 1):
            b.box(
                [sx * (width / 2 - 0.04), -height / 2 + 0.01, sz * (depth / 2 - 0.04)],
                [0.045, height - 0.03, 0.045],
                leg,
            )


def on_table(b: Builder, width, depth, height, things=6) -> None:
    """What lies on a table of this size: screens, keyboards, books, cups, balls, boxes, paper."""
    rng, origin, frame = b.rng, *b._frame
    for n in range(things):
        x, z = rng.uniform(-0.42, 0.42) * width, rng.uniform(-0.4, 0.4) * depth
        kind = rng.choice(["screen", "keyboard", "books", "cup", "ball", "box", "paper", "bottle"],
                          p=[0.2, 0.13, 0.17, 0.12, 0.08, 0.12, 0.1, 0.08])  # fmt: skip
        z = 0.2 * depth if kind == "screen" else z
        b._frame = (origin + np.array([x, -height, z]) @ frame, yaw_axes(rng.normal(0, 0.35)) @ frame)
        _TABLEWARE[kind](b, rng)
    b._frame = (origin, frame)


def _screen(b, rng):
    w = rng.uniform(0.35, 0.7)
    h, dark = w * rng.uniform(0.55, 0.75), material(rng, METAL[3:] + METAL[:1], 0.4, 0.05)
    b.box([0, -0.12 - h / 2, 0], [w, h, 0.04 if rng.random() < 0.7 else 0.3], dark)
    picture = material(rng, PAPER + [GLASS], 0.1, rng.choice([0.05, 0.5]), mirror=0.1)
    b.box([0, -0.12 - h / 2, -0.021 if h else 0], [w * 0.93, h * 0.9, 0.01], picture, glow=rng.choice([0.0, 0.9]),
          cells=np.array([w * 0.93 / 8, h * 0.9 / 12, 0]), fill=np.array([0.8, 0.5, 1]), cell_color=rng.uniform(0, 1, 3),
          vary=rng.uniform(0, 0.8))  # fmt: skip
    b.box([0, -0.06, 0.03], [0.06, 0.13, 0.04], dark)
    b.box([0, -0.01, 0.02], [0.24, 0.02, 0.18], dark)


def _keyboard(b, rng):
    half = np.array([0.22, 0.015, 0.075])
    b.add(BOX, [0, -0.015, -0.1], half, material(rng, METAL, 0.3, 0.04), cells=grid(half, [0.022, 0, 0.024]),
          fill=np.array([0.8, 1, 0.8]), cell_color=rng.choice([0.1, 0.85]) * np.ones(3), vary=0.1)  # fmt: skip
    b.add(ELLIPSOID, [0.3, -0.015, -0.1], [0.03, 0.02, 0.055], material(rng, METAL, 0.3, 0.05))


def _books(b, rng):
    y = 0.0
    for _ in range(rng.integers(1, 5)):
        size = [rng.uniform(0.14, 0.3), rng.uniform(0.015, 0.05), rng.uniform(0.18, 0.3)]
        b.box([rng.normal(0, 0.015), -y - size[1] / 2, rng.normal(0, 0.015)], size, material(rng, PAPER, 0.08, 0.35))
        y += size[1]


def _cup(b, rng):
    r, h = rng.uniform(0.03, 0.05), rng.uniform(0.08, 0.13)
    clay = material(rng, PAPER, 0.06, 0.25)
    b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], clay)
    b.add(ELLIPSOID, [0, -h * 0.85, 0], [r * 0.98, 0.012, r * 0.98], material(rng, WOOD[2:3], 0.1, 0.05))


def _ball(b, rng):
    r = rng.uniform(0.03, 0.14)
    b.add(ELLIPSOID, [0, -r, 0], [r, r, r], material(rng, PAPER, 0.1, 0.5, mirror=rng.choice([0, 0.15])))


def _carton(b, rng):
    size = rng.uniform(0.07, 0.32, 3)
    b.box([0, -size[1] / 2, 0], size, material(rng, PAPER + WOOD, 0.12, 0.3))


def _paper(b, rng):
    b.box([0, -0.002, 0], [0.21, 0.004, 0.3], material(rng, PAPER[:1], 0.03, 0.4))


def _bottle(b, rng):
    r, h = rng.uniform(0.03, 0.045), rng.uniform(0.16, 0.3)
    glass = material(rng, PAPER + LEAVES, 0.06, 0.3, mirror=0.15)
    b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], glass)
    b.add(ELLIPSOID, [0, -h, 0], [r, r, r], glass)


_TABLEWARE = {"screen": _screen, "keyboard": _keyboard, "books": _books, "cup": _cup, "ball": _ball, "box": _carton,
              "paper": _paper, "bottle": _bottle}  # fmt: skip


def chair(b: Builder) -> None:
    """A chair with four legs or on a column with a foot."""
    rng = b.rng
    cloth, leg = material(rng, CLOTH + WOOD, 0.1, 0.12), material(rng, METAL + WOOD, 0.4, 0.06)
    b.box([0, -0.45, 0], [0.44, rng.uniform(0.04, 0.09), 0.44], cloth)
    b.box([0, -0.75, 0.21], [0.42, rng.uniform(0.3, 0.6), 0.05], cloth)
    if rng.random() < 0.5:
        for sx in (-1, 1):
            for sz in (-1, 1):
                b.box([sx * 0.19, -0.22, sz * 0.19], [0.035, 0.44, 0.035], leg)
    else:
        b.add(TUBE, [0, -0.23, 0], [0.03, 0.2, 0.03], leg)
        b.box([0, -0.05, 0], [0.6, 0.05, 0.06], leg)
        b.box([0, -0.05, 0], [0.06, 0.05, 0.6], leg)


def cabinet(b: Builder, width=None, height=None, depth=None) -> None:
    """A cupboard or a chest of drawers with doors and handles' rhythm."""
    rng = b.rng
    half = (
        np.array([width or rng.uniform(0.4, 1.8), height or rng.uniform(0.5, 2.2), depth or rng.uniform(0.3, 0.6)]) / 2
    )
    wood = material(rng, WOOD + METAL[:1] + WALL[:2], 0.5, 0.12, stripes=rng.choice([0, 0.4]), stripe_m=0.1)
    front = np.clip(wood["colors"][0] * rng.uniform(0.85, 1.2), 0.02, 0.98)
    b.add(BOX, [0, -half[1], 0], half, wood, cells=grid(half, [0.5, rng.choice([0.25, 0.8, 2.0]), 0]),
          fill=np.array([0.97, 0.97, 1]), cell_color=front, vary=rng.choice([0, 0.08]))  # fmt: skip


def shelf(b: Builder) -> None:
    """A bookcase: a carcass, boards, rows of books of many colours."""
    rng = b.rng
    width, height, depth = rng.uniform(0.6, 1.6), rng.uniform(0.9, 2.2), rng.uniform(0.25, 0.4)
    wood = material(rng, WOOD, 0.5, 0.12)
    b.box([0, -height / 2, depth / 2 - 0.01], [width, height, 0.02], wood)
    for side in (-1, 1):
        b.box([side * width / 2, -height / 2, 0], [0.025, height, depth], wood)
    floors = int(rng.integers(2, 6))
    for n in range(floors + 1):
        b.box([0, -0.05 - n * (height - 0.06) / floors, 0], [width, 0.025, depth], wood)
    for n in range(floors):
        if rng.random() < 0.75:
            tall, room = (height - 0.06) / floors * rng.uniform(0.6, 0.9), width * rng.uniform(0.5, 0.96)
            half = np.array([room / 2, tall / 2, depth * 0.4])
            b.add(BOX, [-(width - room) / 2.2, -0.06 - n * (height - 0.06) / floors - half[1], 0.02], half,
                  material(rng, PAPER, 0.05, 0.3), cells=grid(half, [rng.uniform(0.02, 0.05), 0, 0]),
                  fill=np.array([0.92, 1, 1]), cell_color=rng.uniform(0.25, 0.7, 3), vary=rng.uniform(0.4, 1))  # fmt: skip


def sofa(b: Builder) -> None:
    """A sofa, an armchair or a bed-like block with cushions."""
    rng, width, depth = b.rng, b.rng.uniform(0.8, 2.2), b.rng.uniform(0.75, 1.0)
    cloth = material(rng, CLOTH + WALL[3:], 0.15, 0.15, stripes=rng.choice([0, 0, 0.6]), stripe_m=0.06)
    b.box([0, -0.22, 0], [width, 0.4, depth], cloth)
    b.box([0, -0.6, depth / 2 - 0.1], [width, 0.5, 0.2], cloth)
    for side in (-1, 1):
        b.box([side * (width / 2 - 0.08), -0.5, 0], [0.16, 0.25, depth], cloth)
    for _ in range(rng.integers(0, 3)):
        x = rng.uniform(-0.35, 0.35) * width
        b.add(ELLIPSOID, [x, -0.55, 0.1], [0.22, 0.2, 0.09], material(rng, CLOTH, 0.08, 0.4))


def bed(b: Builder) -> None:
    """A bed or a hospital trolley on legs, with pillow and blanket."""
    rng, width, long = b.rng, b.rng.uniform(0.7, 1.6), b.rng.uniform(1.9, 2.1)
    high = rng.uniform(0.45, 0.9)
    frame = material(rng, METAL + WOOD, 0.4, 0.1)
    b.box([0, -high + 0.15, 0], [width, 0.08, long], frame)
    b.box([0, -high + 0.02, 0], [width * 0.97, 0.18, long * 0.98], material(rng, WALL + CLOTH, 0.25, 0.12))
    b.box([0, -high + 0.02, -0.25], [width, 0.2, long * 0.65], material(rng, CLOTH + WALL, 0.2, 0.2))
    b.add(ELLIPSOID, [0, -high - 0.1, long * 0.38], [width * 0.35, 0.08, 0.2], material(rng, WALL[:2], 0.2, 0.05))
    b.box([0, -high - 0.1, long / 2], [width, 0.6, 0.05], frame)
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(
                TUBE, [sx * width * 0.45, -(high - 0.15) / 2, sz * long * 0.45], [0.03, (high - 0.15) / 2, 0.03], frame
            )


def plant(b: Builder) -> None:
    """A pot with a bushy plant."""
    rng = b.rng
    r, h = rng.uniform(0.1, 0.25), rng.uniform(0.2, 0.4)
    b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], material(rng, PAPER + ROOF, 0.2, 0.1))
    for _ in range(rng.integers(1, 4)):
        leaves = dict(material(rng, LEAVES, 0.1, 0.4), cutout=rng.uniform(0.4, 0.8), freq=rng.uniform(5, 9))
        high = rng.uniform(0.2, 0.9)
        b.add(ELLIPSOID, [rng.normal(0, 0.1), -h - high / 2, rng.normal(0, 0.1)], [r * 1.4, high / 2, r * 1.4], leaves)


def carton(b: Builder) -> None:
    """A box, a bin or a ball on the floor, 15 to 70 cm."""
    rng, kind = b.rng, b.rng.random()
    if kind < 0.6:
        size = rng.uniform(0.15, 0.7, 3)
        b.box([0, -size[1] / 2, 0], size, material(rng, WOOD + PAPER, 0.25, 0.25))
    elif kind < 0.8:
        r, h = rng.uniform(0.12, 0.3), rng.uniform(0.25, 0.9)
        b.add(TUBE, [0, -h / 2, 0], [r, h / 2, r], material(rng, METAL + CLOTH, 0.3, 0.15))
        b.add(ELLIPSOID, [0, -h, 0], [r, 0.03, r], material(rng, METAL, 0.3, 0.1))
    else:
        r = rng.uniform(0.1, 0.35)
        b.add(ELLIPSOID, [0, -r, 0], [r, r, r], material(rng, PAPER, 0.3, 0.6))


def trolley(b: Builder) -> None:
    """A cart with two boards and a few things on it."""
    rng, metal = b.rng, material(b.rng, METAL, 0.4, 0.08)
    w, d, h = rng.uniform(0.4, 0.7), rng.uniform(0.5, 0.9), rng.uniform(0.8, 1.1)
    for y in (0.2, h):
        b.box([0, -y, 0], [w, 0.03, d], metal)
    for sx in (-1, 1):
        for sz in (-1, 1):
            b.add(TUBE, [sx * w * 0.46, -h / 2, sz * d * 0.46], [0.015, h / 2, 0.015], metal)
    on_table(b, w, d, h + 0.015, things=int(rng.integers(0, 4)))
