"""Training samples: crops of the pool, spoilt as cameras spoil images, with the match that the
network refines.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from depth_ros.engine.matching import matched_prior

_RANGES_PX = (48, 64, 80, 96, 128, 160)


class StereoPairs(Dataset):
    """The files of a pool as samples: a dict of float32 tensors.

    left, right (3,H,W) in [0,1]; prior (2,H/s,W/s) with s = prior_scale: filled disparity px and
    its answered mask; truth (1,H,W) px; mask (1,H,W) bool. Training samples are cropped to `size`
    (height, width) and spoilt differently in every epoch; without `spoil` a sample is the same each
    time.
    """

    def __init__(
        self,
        files: list[Path],
        size: tuple[int, int],
        spoil: bool = True,
        seed: int = 0,
        prior_scale: int = 1,
    ):
        self.files, self.size, self.spoil, self.seed, self.prior_scale = (
            files,
            size,
            spoil,
            seed,
            prior_scale,
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        index, epoch = key if isinstance(key, tuple) else (key, 0)
        rng = np.random.default_rng((self.seed, index, epoch))
        with np.load(self.files[index], allow_pickle=False) as file:
            arrays = [file[name] for name in ("left", "right", "disparity")]
        if self.spoil and rng.random() < 0.5:
            arrays = _zoom(rng, self.size, *arrays)
        left, right, truth = _crop(rng, self.size, *arrays, centre=not self.spoil)
        ndisp = 128
        if self.spoil:
            ndisp = _range_px(rng, truth)
            left, right, truth = _flip(rng, left, right, truth)
            left, right = spoil_pair(rng, left, right)
        return sample(left, right, truth, ndisp, self.prior_scale)


def sample(
    left: np.ndarray, right: np.ndarray, truth: np.ndarray, ndisp: int, prior_scale: int = 1
) -> dict[str, torch.Tensor]:
    """Tensors of one pair (H,W,3) u8 and its truth (H,W) px, NaN unknown."""
    mask = np.isfinite(truth) & (truth < ndisp)
    return {
        "left": _tensor(left),
        "right": _tensor(right),
        "prior": torch.from_numpy(matched_prior(left, right, ndisp, prior_scale)),
        "truth": torch.from_numpy(np.nan_to_num(truth)[None].astype(np.float32)),
        "mask": torch.from_numpy(mask[None]),
    }


def spoil_pair(
    rng: np.random.Generator, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Add what real cameras add: exposure, colour, blur, noise, compression, a right camera not
    quite level.
    """
    if rng.random() < 0.3:
        right = _tilt(right, rng.uniform(-1.2, 1.2), rng.normal(0, 0.1))
    if rng.random() < 0.15:
        left, right = (
            cv2.cvtColor(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            for i in (left, right)
        )
    gain, gamma = np.exp(rng.normal(0, 0.25)), np.exp(rng.normal(0, 0.25))
    noise = rng.exponential(3.0) if rng.random() < 0.6 else 0.0
    blur = rng.uniform(0.3, 1.0) if rng.random() < 0.3 else 0.0
    quality = int(rng.integers(30, 96)) if rng.random() < 0.25 else 0
    both = []
    for image in (left, right):
        own = np.exp(rng.normal(0, 0.15, 3) * rng.choice([0, 0.3, 1])) * np.exp(rng.normal(0, 0.1))
        x = 255 * np.clip(image / np.float32(255), 0, 1) ** gamma * gain * own
        if blur and rng.random() < 0.7:
            x = cv2.GaussianBlur(x, (0, 0), blur)
        x = x + rng.normal(0, noise, x.shape) if noise else x
        image = np.clip(x, 0, 255).astype(np.uint8)
        if quality:
            image = cv2.imdecode(
                cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1],
                cv2.IMREAD_COLOR,
            )
        both.append(image)
    return both[0], both[1]


def _range_px(rng, truth) -> int:
    """A range to search that holds nearly all of the truth, as its owner would set it, or a
    wider one.
    """
    enough = [r for r in _RANGES_PX if r > np.nanpercentile(truth, 99)] or _RANGES_PX[-1:]
    return int(enough[0] if rng.random() < 0.6 else rng.choice(enough))


def _crop(rng, size, left, right, truth, centre):
    height, width = size
    top, column = truth.shape[0] - height, truth.shape[1] - width
    v, u = (
        (top // 2, column // 2)
        if centre
        else (int(rng.integers(0, top + 1)), int(rng.integers(0, column + 1)))
    )
    return (np.ascontiguousarray(a[v : v + height, u : u + width]) for a in (left, right, truth))


def _zoom(rng, size, left, right, truth):
    """The pair as cameras of another focal length see it, large enough for the crop."""
    least = max(need / have for need, have in zip(size, truth.shape))
    zoom = np.exp(rng.uniform(np.log(max(least, 0.75)), np.log(1.35)))
    new = max(size[1], round(truth.shape[1] * zoom)), max(size[0], round(truth.shape[0] * zoom))
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    truth = cv2.resize(truth, new, interpolation=cv2.INTER_NEAREST_EXACT) * np.float32(
        new[0] / truth.shape[1]
    )
    return (
        cv2.resize(left, new, interpolation=way),
        cv2.resize(right, new, interpolation=way),
        truth,
    )


def _flip(rng, left, right, truth):
    """Upside down half the time (a pair stays a pair), and colours in another order."""
    order = rng.permutation(3)
    step = -1 if rng.random() < 0.5 else 1
    return (
        np.ascontiguousarray(a)
        for a in (left[::step, :, order], right[::step, :, order], truth[::step])
    )


def _tilt(image, shift_px, angle_deg):
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle_deg, 1.0)
    turn[1, 2] += shift_px
    return cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _tensor(image):
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
