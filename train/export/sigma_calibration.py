"""Make a trained sigma mean what it says: about 68 % of the errors within one, 95 % within two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from depth_ros.core.errors import InputError
from train.export.onnx import average_weights
from train.objective import make_objective
from train.recipe import Recipe

_SHARES = ((1, 0.683), (2, 0.954))  # of a normal distribution, within so many standard deviations
_GROUPS = 10  # of pixels, by their sigma: each is to be right, not only the mean
_SLOPES, _OFFSETS = np.arange(0.5, 2.01, 0.05), np.arange(-2.0, 2.01, 0.05)
# of an image's pixels every so many-th in each direction is looked at: neighbours say the same
_STEP_PX = 5


def fit_spread(error_px: np.ndarray, log_sigma: np.ndarray) -> tuple[float, float]:
    """Find (slope, offset) with which slope * log_sigma + offset fits errors best.

    error_px, log_sigma: (N,), errors >= 0. Least is the mean, over ten groups of pixels by their
    sigma, of how far the shares within one and two sigma are from those of a normal distribution. A
    monotone map: the order of pixels by their sigma stays. Errors of matching have heavy tails,
    with which no map meets both shares.

    >>> rng = np.random.default_rng(0)
    >>> log_sigma = rng.uniform(-1, 2, 4000)
    >>> error = np.abs(rng.normal(0, np.exp(1.5 * log_sigma - 0.5)))
    >>> [round(x, 1) for x in fit_spread(error, log_sigma)]
    [1.5, -0.5]
    """
    order = np.argsort(log_sigma)
    error_px, log_sigma = np.log(np.maximum(error_px[order], 1e-6)), log_sigma[order]
    groups = [g for g in np.array_split(np.arange(len(order)), _GROUPS) if len(g)]
    best = (np.inf, 1.0, 0.0)
    for slope in _SLOPES:
        # error < k sigma  <=>  log error - slope log_sigma - log k < offset
        excess = [np.sort(error_px[g] - slope * log_sigma[g]) for g in groups]
        for offset in _OFFSETS:
            off = np.mean(
                [
                    abs(np.searchsorted(e, offset + np.log(k)) / len(e) - share)
                    for e in excess
                    for k, share in _SHARES
                ]
            )
            best = min(best, (float(off), float(slope), float(offset)))
    return best[1:]


def calibrated_weights(
    run: Path, pairs: int
) -> tuple[dict[str, torch.Tensor], tuple[float, float]]:
    """Give the averaged weights of a stereo run with its sigma fitted on samples that it was
    trained on, and the fit.

    run: folder. pairs: how many samples. Raises InputError for another task, or a network that
    cannot be fitted.
    """
    recipe = Recipe.load(run / "recipe.yaml")
    objective = make_objective(recipe)
    net = getattr(objective, "net", None)
    if not hasattr(net, "scale_spread"):
        raise InputError(
            f"{run}: expected a fast stereo network to calibrate, got task {recipe.task}, "
            f"{type(net)}"
        )
    objective.load_state_dict(average_weights(run))
    objective.eval()
    samples = objective.samples("train")
    found = []
    for key in tqdm(
        np.linspace(0, len(samples) - 1, min(pairs, len(samples))).astype(int),
        desc="sigma",
        unit="pair",
    ):
        item = {name: value[None] for name, value in samples[0, int(key), 0].items()}
        with torch.no_grad():
            disparity, log_sigma = net(item["left"], item["right"], item["prior"])
        some = (..., slice(None, None, _STEP_PX), slice(None, None, _STEP_PX))
        mask = item["mask"][some]
        found.append(
            torch.stack([(disparity - item["truth"]).abs()[some][mask], log_sigma[some][mask]])
        )
    error, log_sigma = torch.cat(found, 1).numpy()
    fit = fit_spread(error, log_sigma)
    net.scale_spread(*fit)
    return objective.state_dict(), fit
