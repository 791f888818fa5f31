"""Miniature files in the layouts of public data sets."""

import cv2
import numpy as np
import pytest

WIDTH, HEIGHT = 12, 8


@pytest.fixture
def put_image():
    """A factory: writes an RGB image (H, W, 3) u8, or one of a single value, and gives it back."""

    def put(path, value=0, height=HEIGHT, width=WIDTH):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = (
            value if isinstance(value, np.ndarray) else np.full((height, width, 3), value, np.uint8)
        )
        cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))
        return image

    return put


@pytest.fixture
def put_png16():
    """A factory: writes (H, W) integers as a 16-bit PNG."""

    def put(path, values):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), values.astype(np.uint16))

    return put


@pytest.fixture
def put_text():
    """A factory: writes a text file."""

    def put(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return put


@pytest.fixture
def ramp():
    """An RGB image in which every pixel differs, so that a mirror or a swap of channels shows."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([10 * u, 20 * v, 5 * u + 7 * v], axis=-1).astype(np.uint8)
