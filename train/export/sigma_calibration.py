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
_SLOPES = np.arange(0.5, 2.01, 0.05)
_OFFSETS = np.arange(-2.0, 2.01, 0.05)
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
    error_px = np.log(np.maximum(error_px[order], 1e-6))
    log_sigma = log_sigma[order]
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
    run: Path, crops: int
) -> tuple[dict[str, torch.Tensor], tuple[float, float]]:
    """Fit the sigma of a stereo run's averaged weights on held-out crops; returns the weights and
    the last stage's fit.

    run: folder. crops: how many. Raises InputError for another task.
    """
    recipe = Recipe.load(run / "recipe.yaml")
    if recipe.task != "stereo":
        raise InputError(f"{run}: expected a stereo network to calibrate, got task {recipe.task}")
    objective = make_objective(recipe)
    objective.load_state_dict(average_weights(run))
    objective.eval()
    samples = objective.samples("val")
    found: list[list[torch.Tensor]] = []
    for key in tqdm(range(min(crops, len(samples))), desc="sigma", unit="crop"):
        item = {name: value[None] for name, value in samples[0, key, 0].items()}
        with torch.no_grad():
            stages = objective.stages(item)
        found.append([_errors(stage, item) for stage in stages])
    for stage, errors in zip(objective.net.all_stages(), zip(*found)):
        error, log_sigma = torch.cat(errors, 1).numpy()
        fit = fit_spread(error, log_sigma)
        stage.scale_spread(*fit)
    return objective.state_dict(), fit


def _errors(stage, item) -> torch.Tensor:
    """(2,N): absolute errors in px, and log_sigma, of some pixels."""
    some = (..., slice(None, None, _STEP_PX), slice(None, None, _STEP_PX))
    mask = item["mask"][some]
    error = (stage.disparity - item["truth"]).abs()
    return torch.stack([error[some][mask], stage.log_sigma[some][mask]])
