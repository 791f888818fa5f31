"""Change pictures as other cameras would have taken them: a crop, a mirror, other colours; the
camera changes along.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from depth_ros.core.camera import Camera
from depth_ros.core.errors import InputError

_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
_GREY = np.full((3, 3), 1 / 3)


@dataclass(frozen=True)
class Window:
    """A piece of a picture resized to (scaled_height, scaled_width): rows from top, columns from
    left, pixels.
    """

    scaled_height: int
    scaled_width: int
    top: int
    left: int
    height: int
    width: int

    def camera(self, camera: Camera) -> Camera:
        """Return the camera of the piece of `camera`'s picture.

        >>> Window(24, 32, 4, 6, 16, 24).camera(Camera(64, 48, 50.0, 52.0, 30.5, 24.5)).cx
        9.0
        """
        return camera.resized(self.scaled_height, self.scaled_width).cropped(
            self.top, self.left, self.height, self.width
        )

    def image(self, image: np.ndarray) -> np.ndarray:
        """Cut the piece (height,width,3) u8 out of (H,W,3) u8; averages over areas where it gets
        smaller.
        """
        shrinks = self.scaled_height < image.shape[0] or self.scaled_width < image.shape[1]
        return self._cut(image, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    def depth(self, depth: np.ndarray) -> np.ndarray:
        """Cut the piece (height,width) f32 m out of (H,W) m by nearest pixels: means of two
        surfaces are neither.
        """
        return self._cut(depth, cv2.INTER_NEAREST_EXACT)

    def _cut(self, image, interpolation):
        if image.shape[:2] != (self.scaled_height, self.scaled_width):
            image = cv2.resize(
                image, (self.scaled_width, self.scaled_height), interpolation=interpolation
            )
        return np.ascontiguousarray(
            image[self.top : self.top + self.height, self.left : self.left + self.width]
        )


def cover(
    camera: Camera,
    height: int,
    width: int,
    zoom: float = 1.0,
    at=(0.5, 0.5),
    fit_mode: str = "cover",
) -> Window:
    """Choose the window of height x width pixels that a camera's picture fills.

    zoom: >= 1, how much larger than needed the picture is made, so how much is cut off. at: (down,
    right) in [0,1], where in what is left over the window lies. fit_mode: "cover" keeps the aspect
    and cuts what stands over; "stretch" keeps the whole picture (at zoom 1) and lets fx and fy
    scale apart. Raises InputError for anything else.

    >>> cover(Camera(64, 48, 50.0, 50.0, 31.5, 23.5), 24, 64)
    Window(scaled_height=48, scaled_width=64, top=12, left=0, height=24, width=64)
    """
    if zoom < 1 or min(height, width) <= 0 or fit_mode not in ("cover", "stretch"):
        raise InputError(
            f"expected zoom >= 1, a size, cover or stretch, got {zoom}, {width}x{height}, "
            f"{fit_mode!r}"
        )
    sy = zoom * height / camera.height
    sx = zoom * width / camera.width
    if fit_mode == "cover":
        sy = sx = max(sy, sx)
    tall = max(height, round(camera.height * sy))
    wide = max(width, round(camera.width * sx))
    return Window(
        tall, wide, round((tall - height) * at[0]), round((wide - width) * at[1]), height, width
    )


def mirror_camera(camera: Camera) -> Camera:
    """Return the camera of the picture with columns reversed: cx' = W - 1 - cx."""
    return replace(camera, cx=camera.width - 1 - camera.cx)


def mirror_pose(source_T_target: np.ndarray) -> np.ndarray:
    """Return the motion (..., 4, 4) between mirrored cameras: M T M with M = diag(-1, 1, 1, 1).

    >>> mirror_pose(np.array([[1.0, 0, 0, 3], [0, 1, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1]]))[
    ...     :3, 3
    ... ].tolist()
    [-3.0, 4.0, 5.0]
    """
    return _MIRROR @ source_T_target @ _MIRROR


def mirror_image(image: np.ndarray) -> np.ndarray:
    """Reverse the columns of (H,W) or (H,W,C)."""
    return np.ascontiguousarray(image[:, ::-1])


@dataclass(frozen=True, eq=False)
class Look:
    """How a camera renders colours: out = blur(gain * (mix @ in) ** gamma, with contrast about
    grey) + noise.

    mix: (3,3) saturation and hue; gain: (3,) exposure and white balance; contrast: about 0.45;
    blur: sigma in px; noise: standard deviation, of [0,1]. The default changes nothing.
    """

    mix: np.ndarray = field(default_factory=lambda: np.eye(3))
    gain: tuple = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    contrast: float = 1.0
    blur: float = 0.0
    noise: float = 0.0

    def apply(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Render (H,W,3) u8 or f32 in [0,1] as f32 in [0,1]; rng draws the noise, which differs
        from frame to frame.
        """
        x = np.asarray(image, np.float32)
        if image.dtype == np.uint8:
            x = x / np.float32(255)
        x = cv2.transform(x, self.mix.astype(np.float32))
        x = np.clip(x, 0, 1) ** np.float32(self.gamma)
        x = (x * np.array(self.gain, np.float32) - np.float32(0.45)) * np.float32(
            self.contrast
        ) + np.float32(0.45)
        if self.blur > 0:
            x = cv2.GaussianBlur(x, (0, 0), self.blur)
        if self.noise > 0:
            x = x + np.float32(self.noise) * rng.standard_normal(x.shape, np.float32)
        return np.clip(x, 0, 1)


def random_look(rng: np.random.Generator) -> Look:
    """Draw a look; one for all frames of a sample, as one camera took them.

    A fifth of the time it changes nothing.
    """
    if rng.random() < 0.2:
        return Look()
    exposure = np.exp(rng.normal(0, 0.15))
    tint = np.exp(rng.normal(0, 0.05, 3))
    if rng.random() < 0.1:
        saturation = 0.0
    else:
        saturation = rng.uniform(0.6, 1.4)
    return Look(
        mix=colour_mix(saturation, rng.normal(0, 0.1)),
        gain=tuple(exposure * tint),
        gamma=float(np.exp(rng.normal(0, 0.12))),
        contrast=rng.uniform(0.8, 1.2),
        blur=rng.uniform(0.3, 0.9) if rng.random() < 0.2 else 0.0,
        noise=rng.exponential(0.01) if rng.random() < 0.5 else 0.0,
    )


def colour_mix(saturation: float, hue_rad: float) -> np.ndarray:
    """Make the (3,3) matrix that scales colours away from grey and turns them about the grey axis
    (Rodrigues).

    >>> colour_mix(1.0, 2 * math.pi / 3).round().astype(
    ...     int
    ... ).tolist()  # a third of a turn: red becomes green
    [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    """
    axis = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    turn = math.cos(hue_rad) * (np.eye(3) - _GREY) + math.sin(hue_rad) * axis
    return _GREY + saturation * turn
