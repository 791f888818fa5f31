"""Text and binary formats of stereo benchmarks, parsed from what was read: PFM and Middlebury's
calib.txt.
"""

from __future__ import annotations

import re

import numpy as np

from depth_ros.core.camera import Camera, StereoRig
from depth_ros.core.errors import InputError

_NUMBER = r"[-+0-9.eE]+|nan|inf"


def parse_pfm(content: bytes, name: str) -> np.ndarray:
    """Read a one-channel PFM, stored bottom-up, as (H, W) float32; infinity becomes NaN.

    content: the whole file. name: says in errors which file. Raises InputError for a bad header or
    size.

    >>> parse_pfm(
    ...     b"Pf 1 2 -1.0" + bytes([10]) + np.array([3.0, 4.0], "<f4").tobytes(), "a.pfm"
    ... ).tolist()
    [[4.0], [3.0]]
    """
    header = re.match(rb"Pf\s+(\d+)\s+(\d+)\s+([-+0-9.eE]+)[ \t\r]*\n", content)
    if not header:
        raise InputError(
            f"{name}: expected a PFM header 'Pf', width, height and scale, got {content[:16]!r}"
        )
    width, height, scale = int(header[1]), int(header[2]), float(header[3])
    body, expected = content[header.end() :], width * height * 4
    if len(body) != expected or expected == 0:
        raise InputError(
            f"{name}: expected {expected} bytes for {width}x{height}, got {len(body)}: truncated?"
        )
    values = np.frombuffer(body, "<f4" if scale < 0 else ">f4").reshape(height, width)[::-1]
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def parse_calib(text: str, name: str) -> dict:
    """Read a Middlebury calib.txt: numbers by key, cam0 and cam1 as nine; baseline in mm as there.

    text: the whole file. name: says in errors which file. Raises InputError for a line or a key
    that is not as it was.

    >>> parse_calib("cam0=[5 0 2; 0 5 1; 0 0 1]\\nbaseline=100\\n", "calib.txt")["baseline"]
    100.0
    """
    calib: dict = {}
    for line in filter(str.strip, text.splitlines()):
        key, equals, value = line.partition("=")
        try:
            numbers = [float(number) for number in re.findall(_NUMBER, value)]
        except ValueError:
            numbers = []
        wanted = 9 if key.strip() in ("cam0", "cam1") else 1
        if not equals or len(numbers) != wanted:
            raise InputError(f"{name}: expected key=value with {wanted} number(s), got {line!r}")
        calib[key.strip()] = numbers if wanted == 9 else numbers[0]
    for key in ("cam0", "baseline"):
        if key not in calib:
            raise InputError(f"{name}: expected the key {key}, got {sorted(calib)}")
    return calib


def calib_to_rig(calib: dict, height: int, width: int) -> StereoRig:
    """Make the rig of a calib.txt (see parse_calib) for images of (height, width); mm become
    metres.

    >>> calib_to_rig({"cam0": [5, 0, 2, 0, 6, 1, 0, 0, 1], "baseline": 100.0}, 3, 4).baseline_m
    0.1
    """
    cam0 = calib["cam0"]
    camera = Camera(width, height, cam0[0], cam0[4], cam0[2], cam0[5])
    return StereoRig(camera, calib["baseline"] / 1000.0, calib.get("doffs", 0.0))
