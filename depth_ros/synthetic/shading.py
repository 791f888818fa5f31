"""What the shapes of a procedural world look like: band-limited noise, cells, light, haze and
the sky above them.
"""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat
import numpy as np

from depth_ros.synthetic.arrays import dot, kw, unit

_LATTICE = 64  # side of the periodic random lattice behind the noise
RANDOM = np.random.default_rng(20).random(_LATTICE**3).astype(np.float32)


@dataclass(frozen=True)
class Sky:
    """What is above and between the shapes; all arrays float32.

    zenith, horizon, cloud (3,): colours in [0,1]; cover (): share of clouds in [0,1]; haze () 1/m:
    how fast shapes fade into the horizon's colour; ambient (): light in the shade, in [0,1]; lamps
    (L,3) m: where light falls off from, lamp_reach () m: at this distance to half; L = 0: nowhere.
    """

    zenith: np.ndarray
    horizon: np.ndarray
    cloud: np.ndarray
    cover: np.ndarray
    haze: np.ndarray
    ambient: np.ndarray
    lamps: np.ndarray
    lamp_reach: np.ndarray


def shade(scene, index, local, normals, rays, depth, lit, camera_fx, origin, xp, lattice):
    """Colours (P,3) in [0,1] of points on the shapes `index` (P,).

    local (P,3) m: the point in the shape's own axes; normals: its normal in those and in the world,
    (P,3) each; rays (P,3) and depth (P,) m reach it from origin (3,); lit (P,): share of direct
    light that gets there, None for all.
    """
    own_normal, normal = normals
    footprint = depth / camera_fx
    rgb = _pattern(scene, index, local, footprint, xp, lattice)
    if scene.cells is not None:
        rgb = _cells(scene, index, local, own_normal, footprint, rgb, xp, lattice)
    view = unit(rays, xp)
    facing = dot(view, normal)
    normal = normal * xp.where(facing > 0, -1.0, 1.0)[:, None]
    direct = xp.clip(normal @ scene.light, 0.0, 1.0)
    if scene.sky is None:
        light = 0.55 + 0.45 * direct
    else:
        light = _light(scene, index, direct, lit, origin, depth, rays, xp)
    mirrored = view - 2 * dot(view, normal)[:, None] * normal
    shine = xp.clip(3 * noise(mirrored * 2.5 + 31.0, lattice, xp) - 1, 0.0, 1.0)
    share = scene.mirror[index][:, None]
    rgb = xp.clip(rgb * light[:, None] * (1 - share) + share * shine[:, None], 0.0, 1.0)
    if scene.sky is None:
        return rgb
    return scene.sky.horizon + (rgb - scene.sky.horizon) * xp.exp(-scene.sky.haze * depth)[:, None]


def sky_color(sky, rays, xp, lattice):
    """Colours (P,3) of rays (P,3) that hit nothing: a gradient from the horizon to the zenith,
    with clouds.
    """
    view = unit(rays, xp)
    up = xp.clip(-view[:, 1], 0.0, 1.0)
    rgb = sky.horizon + (sky.zenith - sky.horizon) * xp.sqrt(up)[:, None]
    layer = xp.stack([view[:, 0], 0 * up, view[:, 2]], axis=1) * (2.0 / (up + 0.12))[:, None]
    gain = xp.full(up.shape, 0.6, **kw(rays))
    level = _fbm(layer + 11.0, gain, 0 * up, lattice, xp)
    dense = xp.clip(3 * (level - 1.05 + sky.cover), 0.0, 1.0) * xp.clip(8 * up, 0.0, 1.0)
    return rgb + (sky.cloud - rgb) * dense[:, None]


def noise(position, lattice, xp):
    """Value noise (P,) in [0,1]: smooth interpolation of a periodic random lattice at position
    (P,3).
    """
    cell = xp.floor(position)
    t = position - cell
    t = t * t * (3 - 2 * t)
    cell = xp.astype(cell, xp.int64) % _LATTICE
    step = (cell + 1) % _LATTICE
    x = (cell[:, 0] * _LATTICE**2, step[:, 0] * _LATTICE**2)
    y = (cell[:, 1] * _LATTICE, step[:, 1] * _LATTICE)
    z = (cell[:, 2], step[:, 2])

    def mix(a, b, k):
        return a + (b - a) * t[:, k]

    rows = [
        mix(lattice[x[i] + y[j] + z[0]], lattice[x[i] + y[j] + z[1]], 2)
        for i in (0, 1)
        for j in (0, 1)
    ]
    return mix(mix(rows[0], rows[1], 1), mix(rows[2], rows[3], 1), 0)


def _pattern(scene, index, local, footprint, xp, lattice):
    """Noise and stripes in the shape's palette."""
    freq = scene.freq[index]
    sharp = scene.sharp[index]
    position = local * freq[:, None] + scene.offset[index]
    grain = _fbm(position, scene.gain[index], footprint * freq, lattice, xp)
    phase = dot(local, scene.stripe_dir[index])
    width = footprint * xp.sqrt(dot(scene.stripe_dir, scene.stripe_dir))[index]
    stripe = 0.5 + 0.5 * _fade(width) * xp.sin(6.2832 * phase + 4 * grain)
    level = grain + (stripe - grain) * scene.stripes[index]
    level = 1 / (1 + xp.exp(-(level - 0.5) * sharp))
    patch = noise(position * 0.23 + 7.7, lattice, xp)
    palette = scene.colors[index]
    rgb = palette[:, 0] + (palette[:, 1] - palette[:, 0]) * level[:, None]
    return rgb + (palette[:, 2] - rgb) * xp.clip(4 * patch - 2, 0.0, 1.0)[:, None]


def _cells(scene, index, local, normal, footprint, rgb, xp, lattice):
    """Windows, tiles, books: a grid of rectangles on each face, each in its own shade of the
    cells' colour.
    """
    where = xp.nonzero((scene.cells[:, 0] + scene.cells[:, 1] + scene.cells[:, 2] > 0)[index])[0]
    if where.shape[0] == 0:
        return rgb
    index, period = index[where], scene.cells[index[where]]
    used = (period > 0) & (xp.abs(normal[where]) < 0.7)
    period = xp.where(used, period, 1.0)
    place = (local[where] + scene.half[index]) / period
    cell = xp.floor(place)
    off = xp.abs(place - cell - 0.5) * period
    fill = scene.fill[index]
    pixel = footprint[where][:, None]
    cover = xp.clip((fill * period / 2 - off) / pixel + 0.5, 0.0, 1.0)
    cover = fill + (cover - fill) * _fade(pixel / period)
    cover = xp.where(used, cover, 1.0)
    inside = cover[:, 0] * cover[:, 1] * cover[:, 2]
    number = xp.astype(
        xp.sum(xp.where(used, cell, 0.0) * xp.asarray([1.0, 57.0, 23.0], **kw(local)), axis=1),
        xp.int64,
    )
    number = number + xp.astype(scene.offset[index][:, 0] * 97, xp.int64)
    tint = (
        xp.stack(
            [lattice[(number * 7919 + 104729 * k) % _LATTICE**3] for k in (1, 1, 2, 3)], axis=1
        )
        - 0.5
    )
    vary = scene.vary[index][:, None]
    color = scene.cell_color[index] + vary * (tint[:, :1] + 0.5 * tint[:, 1:])
    rgb[where] = rgb[where] + (xp.clip(color, 0.02, 1.0) - rgb[where]) * inside[:, None]
    return rgb


def _light(scene, index, direct, lit, origin, depth, rays, xp):
    """Light (P,) on a surface: ambient, direct where no shadow falls, falling off from lamps;
    glowing shapes are 1.
    """
    sky = scene.sky
    light = sky.ambient + (1 - sky.ambient) * direct * (1 if lit is None else lit)
    if sky.lamps.shape[0]:
        point = origin + depth[:, None] * rays
        fall = 0.0
        for n in range(sky.lamps.shape[0]):
            fall = fall + 1 / (
                1 + dot(point - sky.lamps[n], point - sky.lamps[n]) / sky.lamp_reach**2
            )
        light = light * (0.35 + 0.9 * xp.clip(fall, 0.0, 1.0))
    return xp.where(scene.glow[index] > 0, scene.glow[index], light)


def _fbm(position, gain, footprint, lattice, xp, octaves=5):
    """Fractal noise (P,) about 0.5; octaves finer than the pixel's footprint fade out, so that
    nothing aliases.
    """
    total = xp.zeros_like(gain)
    weight = 0.0
    scale = 1.0
    amplitude = xp.ones_like(gain)
    for octave in range(octaves):
        strength = amplitude * _fade(footprint * scale)
        seen = xp.nonzero(strength > 0)[0]  # the finer the octave, the fewer pixels resolve it
        total[seen] += strength[seen] * (
            noise(position[seen] * scale + 17.3 * octave, lattice, xp) - 0.5
        )
        weight = weight + amplitude
        amplitude = amplitude * gain
        scale = scale * 2.17
    return 0.5 + 1.8 * total / weight


def _fade(cycles_per_pixel):
    """1 while a pattern is resolved, 0 from the Nyquist rate on."""
    clip = array_api_compat.array_namespace(cycles_per_pixel).clip
    return 1 - clip((cycles_per_pixel - 0.2) / 0.3, 0.0, 1.0)
