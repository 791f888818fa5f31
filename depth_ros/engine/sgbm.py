"""Classical matching behind the engine protocol, so that everything runs without a network."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

from depth_ros.core.errors import EngineError

from .base import blank_inputs, check_inputs
from .matching import fill_from_background, match_sgbm
from .spec import ModelSpec


class SgbmEngine:
    """SGBM-3WAY, padded and filled: answers every pixel, knows nothing about its own uncertainty.

    max_disparity_px: the range to search where the input "max_disparity_px" is not given.
    """

    name = "sgbm"
    precision = ""

    def __init__(self, max_disparity_px: int = 128):
        if max_disparity_px <= 0:
            raise EngineError(f"expected a disparity range above 0 px, got {max_disparity_px}")
        self.max_disparity_px = int(max_disparity_px)
        self.spec = ModelSpec(
            name="OpenCV SGBM-3WAY, padded and filled",
            task="stereo",
            inputs=("left", "right", "max_disparity_px"),
            outputs=("disparity",),
            height=0,
            width=0,
            divisor=1,
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            trained_on="nothing",
        )
        self.model_hash = hashlib.sha256(
            f"{cv2.__version__} {self.spec.to_json()}".encode()
        ).hexdigest()[:12]

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Match (1, 3, H, W) float32 RGB of 0 to 255; returns {"disparity": (1, 1, H, W)} float32
        pixels.

        NaN only where nothing in the whole image could be matched. Raises EngineError for inputs
        that do not fit.
        """
        default = np.array([self.max_disparity_px], np.float32)
        inputs = {"max_disparity_px": default, **inputs}
        check_inputs(self.spec, inputs)
        ndisp = int(np.ceil(inputs["max_disparity_px"][0]))
        if ndisp <= 0:
            raise EngineError(f"expected a disparity range above 0 px, got {ndisp}")
        raw = match_sgbm(_to_image(inputs["left"]), _to_image(inputs["right"]), ndisp)
        return {"disparity": fill_from_background(raw)[None, None]}

    def warmup(self) -> None:
        """Run once on a small blank pair."""
        self.run(
            {
                **blank_inputs(self.spec),
                "max_disparity_px": np.array([self.max_disparity_px], np.float32),
            }
        )


def _to_image(tensor: np.ndarray) -> np.ndarray:
    """(1, 3, H, W) float32 RGB of 0 to 255 to (H, W, 3) uint8."""
    return cv2.merge(list(tensor[0])).astype(np.uint8)
