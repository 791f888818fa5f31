"""One renderer for all tests of the rasterised world; they are skipped where there is no moderngl
or EGL.
"""

import numpy as np
import pytest

from depth_ros.core.errors import EngineError
from depth_ros.synthetic.raster.renderer import Renderer
from depth_ros.synthetic.raster.scene import Bank


def small_bank() -> Bank:
    rng = np.random.default_rng(0)
    textures = rng.integers(40, 216, (4, 32, 32, 3), dtype=np.uint8)
    cutouts = np.full((2, 32, 32), 255, np.uint8)
    cutouts[1, :, :16] = 0
    return Bank(textures, cutouts)


@pytest.fixture(scope="session")
def renderer():
    try:
        return Renderer(small_bank())
    except EngineError as error:
        pytest.skip(f"no rasteriser here: {error}")
