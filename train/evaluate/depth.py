"""Judge networks and baselines on recordings with known depth: one table, every alignment named."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import cv2
import numpy as np

from depth_ros.core.errors import InputError
from depth_ros.core.metrics import SCALINGS, depth_metrics, garg_crop, mean_metrics
from train.data.view import Frames
from train.evaluate.baselines import Predictor, view_depth

CROPS = ("", "garg")
COLUMNS = ("abs_rel", "sq_rel", "rmse", "rmse_log", "delta1", "delta2", "delta3")
_MIN_M = 1e-3
# (3, h, w) float32 RGB in [0, 1] -> (h, w) float32 canonical inverse depth, 1/m
Run = Callable[[np.ndarray], np.ndarray]


def evaluate(
    predict: Predictor,
    frames: Frames | Iterable,
    alignments: tuple[str, ...] = ("none", "median"),
    cap_m: float = 80.0,
    crop: str = "",
    most: int = 0,
) -> dict[str, dict]:
    """Judge a predictor on the views of frames that know their depth, each counting alike.

    alignments: names of core.metrics.SCALINGS, each judged by itself, per view. cap_m: truth beyond
    it does not count (KITTI 80, NYUv2 10). crop: "garg" judges the crop of Garg et al. 2016 only.
    most: views to judge, evenly spread, 0 = all. Returns {alignment: figures of
    core.metrics.depth_metrics, and "views"}. Raises InputError for an unknown name or where no view
    has truth within the cap.
    """
    for name in alignments:
        if name not in SCALINGS:
            raise InputError(f"expected an alignment out of {SCALINGS}, got {name!r}")
    if crop not in CROPS:
        raise InputError(f"expected a crop out of {CROPS}, got {crop!r}")
    found: dict[str, list] = {name: [] for name in alignments}
    for view in _spread(frames, most):
        truth = judged_truth(view, cap_m, crop)
        if truth is None:
            continue
        pred = predict(view)
        for name in alignments:
            found[name].append(depth_metrics(pred, truth, _MIN_M, cap_m, name))
    if not all(found.values()):
        raise InputError(f"expected a view with known depth up to {cap_m} m, got none")
    return {name: {**mean_metrics(rows), "views": len(rows)} for name, rows in found.items()}


def judged_truth(view, cap_m: float, crop: str = "") -> np.ndarray | None:
    """Return (H, W) metres of a view, NaN where it does not count; None where no pixel counts."""
    truth = view_depth(view)
    if truth is None:
        return None
    with np.errstate(invalid="ignore"):
        counts = (truth >= _MIN_M) & (truth <= cap_m)
    if crop == "garg":
        counts &= garg_crop(*truth.shape)
    if counts.any():
        return np.where(counts, truth, np.float32(np.nan))
    return None


def network(
    run: Run,
    size: tuple[int, int] | int,
    focal_px: float = 0.0,
    flip: bool = False,
    divisor: int = 32,
):
    """Make a predictor of a network.

    run: see torch_run and onnx_run. size: (height, width) of its input, or its number of pixels,
    then the aspect of the view is kept to the nearest multiple of divisor. focal_px: the canonical
    focal length; depth in metres is canonical depth * fx / focal_px with fx at the input size; 0 =
    not normalised. flip: average with the mirrored picture's answer (blend_mirrored). The answer is
    resized as inverse depth, bilinearly, to the size of the view.
    """

    def predict(view) -> np.ndarray:
        height, width = (
            size if isinstance(size, tuple) else fitted_size(*view.image.shape[:2], size, divisor)
        )
        image = cv2.resize(view.image, (width, height), interpolation=cv2.INTER_AREA)
        image = np.ascontiguousarray(image.transpose(2, 0, 1), np.float32) / np.float32(255)
        inverse = run(image)
        if flip:
            inverse = blend_mirrored(inverse, run(np.ascontiguousarray(image[..., ::-1]))[:, ::-1])
        if focal_px:
            inverse = inverse * np.float32(focal_px / view.camera.resized(height, width).fx)
        inverse = cv2.resize(inverse, view.image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(inverse > 0, 1 / inverse, np.float32(np.nan)).astype(np.float32)

    return predict


def blend_mirrored(straight: np.ndarray, mirrored: np.ndarray) -> np.ndarray:
    """Join the answers to a picture and to its mirror image (Godard et al. 2017, post-processing).

    A network that learned from left and right views is blind at the left border of a picture, and
    at the right one of its mirror image. So the leftmost 5 % of the columns are `mirrored`, the
    rightmost 5 % `straight`, the middle their mean, with ramps over the 5 % between. straight,
    mirrored: (h, w) inverse depth or disparity, mirrored already turned back. Returns float32 (h,
    w).

    >>> blend_mirrored(np.zeros((1, 21)), np.ones((1, 21)))[0, [0, 10, 20]].tolist()
    [1.0, 0.5, 0.0]
    """
    place = np.linspace(0, 1, straight.shape[1], dtype=np.float32)
    left = 1 - np.clip(20 * (place - 0.05), 0, 1)
    weight = (1 + left - left[::-1]) / 2  # of mirrored
    return (weight * mirrored + (1 - weight) * straight).astype(np.float32)


def fitted_size(height: int, width: int, pixels: int, divisor: int = 32) -> tuple[int, int]:
    """Return the (height, width), multiples of divisor, with about `pixels` pixels and the aspect
    of height x width.

    pixels 0: as many as there are.

    >>> fitted_size(375, 1242, 61440)
    (128, 448)
    """
    if pixels:
        scale = (pixels / (height * width)) ** 0.5
    else:
        scale = 1.0
    return tuple(max(divisor, round(side * scale / divisor) * divisor) for side in (height, width))


def torch_run(net, device: str = "cpu") -> Run:
    """Make a Run of a PyTorch depth network: its finest inverse depth, the left one where it has
    two.

    net: (1, 3, h, w) -> an object with inv_depth, a list of tensors, finest first
    (train.model.depth).
    """
    import torch

    net = net.to(device).eval()

    def run(image: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return (
                net(torch.from_numpy(image)[None].to(device))
                .inv_depth[0][0, 0]
                .float()
                .cpu()
                .numpy()
            )

    return run


def onnx_run(engine) -> Run:
    """Make a Run of an engine.onnx_engine.OnnxEngine of a mono model, with the normalisation of
    its spec.
    """
    spec = engine.spec
    if spec.task != "mono":
        raise InputError(f"expected a mono model, got one for {spec.task!r}")
    mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (spec.mean, spec.std))

    def run(image: np.ndarray) -> np.ndarray:
        depth = engine.run({spec.inputs[0]: ((255 * image - mean) / std)[None].astype(np.float32)})[
            "depth"
        ][0, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(depth > 0, 1 / depth, np.float32(0)).astype(np.float32)

    return run


def onnx_predictor(engine, flip: bool = False) -> Predictor:
    """Make a predictor of a mono ONNX model at the size, and with the focal length, that its
    spec says.
    """
    spec = engine.spec
    if spec.height:
        size = (spec.height, spec.width)
    else:
        size = spec.working_pixels
    return network(onnx_run(engine), size, spec.focal_px, flip, spec.divisor)


def table(rows: dict[str, dict[str, dict]], columns: tuple[str, ...] = COLUMNS) -> str:
    """Make a Markdown table of what evaluate gives, a line for each name and alignment."""
    lines = [
        "| model | alignment | " + " | ".join(columns) + " |",
        "|---|---|" + "---:|" * len(columns),
    ]
    for name, by_alignment in rows.items():
        for alignment, figures in by_alignment.items():
            cells = [f"{figures[column]:.3f}" for column in columns]
            lines.append(f"| {name} | {alignment} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _spread(frames, most: int):
    """The views to judge."""
    if not most or len(frames) <= most:
        return (frames[i] for i in range(len(frames)))
    return (frames[int(i)] for i in np.linspace(0, len(frames) - 1, most))
