"""Bundle adjustment of a few frames: all at once in arrays, the landmarks eliminated.

Landmarks are (ray, inverse depth) in the frame that saw them first (Civera et al. 2008); each is eliminated by the
Schur complement (Triggs et al. 2000, section 6.1), and outliers lose weight by Cauchy's function.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..core.camera import Camera
from ..core.lie import inverse
from .measure import adjoints, bearings, exps, motion_jacobian, move, observe, source_jacobian

_CAUCHY = 2.0  # standard deviations at which a measurement's weight has halved
_DAMPING = 1e-6


@dataclass(frozen=True, eq=False)
class Bundle:
    """What was seen: seen (L, K, 3) measurements of L landmarks in K frames, NaN where not seen; sigma (L, K, 3), inf
    for a part that was not measured (inverse depth without depth). anchor (L,): the frame of each landmark's ray."""

    seen: np.ndarray
    sigma: np.ndarray
    anchor: np.ndarray


@dataclass(frozen=True, eq=False)
class Adjusted:
    """The result: origin_T_camera (K, 4, 4), landmarks (L, 3) as (u, v, inverse depth) in their anchors, information
    (6K + 1, 6K + 1) of the poses about their right perturbations (translation, rotation) and of the bias in units of
    its prior sigma; bias in 1/m;
    weight (L, K) in 0..1, 0 where not seen; chi2 (L, K), the squared residuals in standard deviations;
    scores (L, 6K + 1): the pull of each landmark on poses and bias; they add up to nothing;
    own (L, 6K + 1, 6K + 1): what of the information is of each. curvature: the share of the
    information that is left when weights change with the residuals."""

    poses: np.ndarray
    landmarks: np.ndarray
    information: np.ndarray
    weight: np.ndarray
    chi2: np.ndarray
    cost: float
    bias: float
    scores: np.ndarray
    own: np.ndarray
    curvature: float

    @cached_property
    def covariance(self) -> np.ndarray:
        """The inverse (6K - 5, 6K - 5) of the information of all poses but the first, and the bias."""
        return np.linalg.pinv(self.information[6:, 6:], hermitian=True)


def adjust(bundle: Bundle, poses, landmarks, camera: Camera, bias=(0.0, 0.0), rounds: int = 6) -> Adjusted:
    """Minimise the robust reprojection error over poses, landmarks and the bias of inverse depth, the first pose held.

    poses: (K, 4, 4) origin_T_camera, where to begin. landmarks: (L, 3) (u, v, inverse depth) in their anchors, where to
    begin. bias: (value, sigma) in 1/m, what is known of how much too small every inverse depth was measured; sigma 0:
    it is as it is. A wrongly rectified pair has such a bias, and near and far points together reveal it.
    """
    poses, landmarks, prior = poses.copy(), landmarks.copy(), bias
    value = bias[0]
    damping, state = _DAMPING, _linearise(bundle, poses, landmarks, camera, value, prior)
    for _ in range(rounds):
        step, points, shift = _solve(state, damping)
        new_poses = poses @ exps(step)
        new_landmarks = landmarks + points
        new_state = _linearise(bundle, new_poses, new_landmarks, camera, value + shift, prior)
        if new_state["cost"] > state["cost"]:
            damping = max(damping, 1e-4) * 10
            if damping > 1e3:
                break
            continue
        done = state["cost"] - new_state["cost"] < 1e-4 * state["cost"]
        poses, landmarks, state, damping, value = new_poses, new_landmarks, new_state, damping * 0.1, value + shift
        if done:
            break
    S, _, W, (Vi, gl) = _reduced(state, 0.0)
    J, WV = state["J"], W @ Vi
    scores = (state["r"][:, None] @ J)[:, 0] - (WV @ gl[..., None])[..., 0]
    scores[:, -1] += state["bias_of_anchor"] * state["r_anchor"][:, 2]
    own = J.transpose(0, 2, 1) @ J - WV @ W.transpose(0, 2, 1)
    own[:, -1, -1] += state["bias_of_anchor"] ** 2
    weight, chi2 = state["weight"], np.nan_to_num(state["chi2"])
    kept = curvature(weight, chi2, np.isfinite(bundle.sigma).sum(-1), _CAUCHY)
    return Adjusted(poses, landmarks, S, weight, state["chi2"], state["cost"], value, scores, own, kept)


def curvature(weight: np.ndarray, chi2: np.ndarray, parts: np.ndarray, scale: float) -> float:
    """Give the share of the weighted information that is left when weights change with the residuals (Huber 1967).

    weight, chi2, parts: of each measurement, Cauchy's weight at this scale, its squared residual and its dimensions.
    """
    expected = (parts * weight).sum()
    return float(1 - 2 * (weight**2 * chi2).sum() / scale**2 / expected) if expected > 0 else 1.0


def _linearise(bundle: Bundle, poses, landmarks, camera: Camera, bias, prior) -> dict:
    """Whitened residuals (L, 3P) of what was seen up to P times outside of its anchor, Jacobians by poses and bias
    (L, 3P, 6K + 1) and by landmarks (L, 3P, 3); the same in the anchors, which know no pose; weights and the cost."""
    L, K, _ = bundle.seen.shape
    all_l, is_seen = np.arange(L), np.isfinite(bundle.seen[..., 0])
    elsewhere = is_seen.copy()
    elsewhere[all_l, bundle.anchor] = False
    row, frame = np.nonzero(elsewhere)
    anchor, every = bundle.anchor[row], np.arange(len(row))
    target_T_source = np.stack([inverse(pose) for pose in poses])[:, None] @ poses[None]
    between, inv = target_T_source[frame, anchor], landmarks[row, 2]
    moved = move(between, bearings(landmarks[:, :2], camera)[row], inv)
    residual, scale = _whitening(bundle, row, frame, observe(moved, inv, camera), bias)
    at_anchor, own_scale = _whitening(bundle, all_l, bundle.anchor, landmarks, bias)
    chi2, own_chi2 = (residual**2).sum(1), (at_anchor**2).sum(1)
    weight = np.where(moved[:, 2] > 1e-2, 1 / (1 + chi2 / _CAUCHY**2), 0.0)
    own_weight = 1 / (1 + own_chi2 / _CAUCHY**2)
    scale, own_scale = scale * np.sqrt(weight)[:, None], own_scale * np.sqrt(own_weight)[:, None]
    # right perturbations: the camera's is minus a left one of camera_T_anchor, the anchor's comes over by the adjoint
    by_motion = motion_jacobian(moved, inv, camera) * scale[..., None]
    slot = every - np.searchsorted(row, all_l)[row]
    most = int(slot.max(initial=0)) + 1
    J = np.zeros((L, most, 3, 6 * K + 1))
    blocks = np.lib.stride_tricks.as_strided(
        J, (L, most, 3, K, 6), (*J.strides[:3], 6 * J.strides[3], J.strides[3])
    )  # fmt: skip
    blocks[row, slot, :, frame] = -by_motion
    blocks[row, slot, :, anchor] = by_motion @ adjoints(target_T_source)[frame, anchor]
    J[row, slot, 2, -1] = -scale[:, 2] * prior[1]  # the bias counts in units of its sigma
    Jl, r = np.zeros((L, most, 3, 3)), np.zeros((L, most, 3))
    Jl[row, slot] = source_jacobian(between, moved, inv, camera) * scale[..., None]
    r[row, slot] = residual * np.sqrt(weight)[:, None]
    state = {"J": J.reshape(L, 3 * most, -1), "r": r.reshape(L, -1), "Jl": Jl.reshape(L, -1, 3),
             "Jl_anchor": own_scale, "r_anchor": at_anchor * np.sqrt(own_weight)[:, None],
             "bias_of_anchor": -own_scale[:, 2] * prior[1], "sigma": prior[1]}  # fmt: skip
    state["off"] = (bias - prior[0]) / prior[1] if prior[1] else 0.0
    state["cost"] = _CAUCHY**2 * float(np.log1p(np.r_[chi2, own_chi2] / _CAUCHY**2).sum()) + state["off"] ** 2
    state["weight"], state["chi2"] = np.zeros((L, K)), np.full((L, K), np.nan)
    for name, of, of_anchor in (("weight", weight, own_weight), ("chi2", chi2, own_chi2)):
        state[name][row, frame], state[name][all_l, bundle.anchor] = of, of_anchor
    return state


def _whitening(bundle: Bundle, row, frame, predicted: np.ndarray, bias: float) -> tuple[np.ndarray, np.ndarray]:
    """Residuals (N, 3) in standard deviations, and one over these; 0 where a part was not measured."""
    seen, sigma = bundle.seen[row, frame], bundle.sigma[row, frame]
    scale = 1 / sigma
    residual = np.where(np.isfinite(sigma), (seen - predicted) * scale, 0.0)
    residual[:, 2] += np.where(np.isfinite(sigma[:, 2]), bias * scale[:, 2], 0.0)
    return residual, scale


def _reduced(state: dict, damping: float):
    """The Schur complement (6K + 1, 6K + 1), its right side, and what gives the landmarks back."""
    J, Jl, r, mine = state["J"], state["Jl"], state["r"], state["Jl_anchor"]
    flat = J.reshape(-1, J.shape[-1])
    H, g = flat.T @ flat, flat.T @ r.reshape(-1)
    H[-1, -1] += 1.0 + (state["bias_of_anchor"] ** 2).sum()
    g[-1] += state["bias_of_anchor"] @ state["r_anchor"][:, 2] - state["off"]
    transposed = Jl.transpose(0, 2, 1)
    V = transposed @ Jl
    V[:, range(3), range(3)] += mine**2
    V[:, range(3), range(3)] *= 1 + damping + 1e-9
    V[:, range(3), range(3)] += 1e-12
    Vi = np.linalg.inv(V)
    W = J.transpose(0, 2, 1) @ Jl  # (L, 6K + 1, 3)
    W[:, -1, 2] += state["bias_of_anchor"] * mine[:, 2]
    gl = (transposed @ r[..., None])[..., 0] + mine * state["r_anchor"]
    side = W.transpose(1, 0, 2).reshape(len(H), -1)
    WV = (W @ Vi).transpose(1, 0, 2).reshape(len(H), -1)
    return H - WV @ side.T, g - WV @ gl.reshape(-1), W, (Vi, gl)


def _solve(state: dict, damping: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The steps of the poses (K, 6), the first of which stays, of the landmarks (L, 3) and of the bias."""
    S, b, W, (Vi, gl) = _reduced(state, damping)
    free = slice(6, None)
    A = S[free, free]
    A = A + (damping * np.diag(A) + 1e-9) * np.eye(len(A))
    step = np.zeros(len(b))
    step[free] = np.linalg.solve(A, b[free])
    points = (Vi @ (gl - W.transpose(0, 2, 1) @ step)[..., None])[..., 0]
    return step[:-1].reshape(-1, 6), points, step[-1] * state["sigma"]
