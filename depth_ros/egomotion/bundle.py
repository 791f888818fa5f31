"""Bundle adjustment of a few frames: all at once in arrays, the landmarks eliminated.

Landmarks are (ray, inverse depth) in the frame that saw them first (Civera et al. 2008); each is eliminated by the
Schur complement (Triggs et al. 2000, section 6.1), and outliers lose weight by Cauchy's function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.camera import Camera
from ..core.lie import inverse, se3_exp
from .measure import bearings, hats, move, observe, observe_jacobian

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
        new_poses = np.stack([pose @ se3_exp(xi) for pose, xi in zip(poses, step, strict=True)])
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
    scores = np.einsum("lij,li->lj", state["J"], state["r"]) - (W @ (Vi @ gl[..., None]))[..., 0]
    own = state["J"].transpose(0, 2, 1) @ state["J"] - W @ Vi @ W.transpose(0, 2, 1)
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
    """Whitened residuals (L, 3K), Jacobians by poses (L, 3K, 6K) and landmarks (L, 3K, 3), weights and the cost."""
    L, K, _ = bundle.seen.shape
    back = np.stack([inverse(pose) for pose in poses])
    between = (back[None] @ poses[bundle.anchor][:, None]) if K else None  # (L, K, 4, 4) camera_T_anchor
    rays = np.broadcast_to(bearings(landmarks[:, :2], camera)[:, None], (L, K, 3))
    inv = np.broadcast_to(landmarks[:, 2:], (L, K))
    moved = move(between, rays, inv)
    by_point, by_inverse = observe_jacobian(moved, inv, camera)
    whiten = np.where(np.isfinite(bundle.seen), 1 / bundle.sigma, 0.0)
    predicted = observe(moved, inv, camera)
    predicted[..., 2] -= bias
    residual = np.nan_to_num(bundle.seen - predicted) * whiten
    chi2 = (residual**2).sum(-1)
    is_seen = np.isfinite(bundle.seen[..., 0])
    weight = np.where(is_seen & (moved[..., 2] > 1e-2), 1 / (1 + chi2 / _CAUCHY**2), 0.0)
    scale = np.sqrt(weight)[..., None] * whiten
    by_point = by_point * scale[..., None]
    # right perturbations: the camera's own moves the point by -(v inv + w x moved), the anchor's by R (v inv + w x ray)
    own = np.concatenate([-inv[..., None, None] * np.eye(3), hats(moved)], -1)
    R = between[..., :3, :3]
    other = np.concatenate([inv[..., None, None] * R, -R @ hats(rays)], -1)
    full = np.zeros((L, K, 3, 6 * K + 1))
    J = np.zeros((L, K, 3, K, 6))
    k = np.arange(K)
    J[:, k, :, k] += np.moveaxis(by_point @ own, 1, 0)
    rows = np.arange(L)[:, None]
    J[rows, k[None], :, bundle.anchor[:, None]] += by_point @ other
    full[..., :-1] = J.reshape(L, K, 3, 6 * K)
    full[..., 2, -1] = -scale[..., 2] * prior[1]  # the bias counts in units of its sigma
    Jl = np.empty((L, K, 3, 3))
    Jl[..., :2] = by_point @ (R[..., :2] / (camera.fx, camera.fy))
    Jl[..., 2] = (by_point @ between[..., :3, 3:])[..., 0] + by_inverse * scale
    residual = residual * np.sqrt(weight)[..., None]
    cost = float(np.where(is_seen, _CAUCHY**2 * np.log1p(chi2 / _CAUCHY**2), 0.0).sum())
    state = {"J": full.reshape(L, 3 * K, 6 * K + 1), "Jl": Jl.reshape(L, 3 * K, 3), "r": residual.reshape(L, 3 * K)}
    off = (bias - prior[0]) / prior[1] if prior[1] else 0.0
    state.update(weight=weight, chi2=np.where(is_seen, chi2, np.nan), off=off, sigma=prior[1])
    state["cost"] = cost + state["off"] ** 2
    return state


def _reduced(state: dict, damping: float):
    """The Schur complement (6K, 6K), its right side (6K,), and what gives the landmarks back."""
    J, Jl, r = state["J"], state["Jl"], state["r"]
    flat = J.reshape(-1, J.shape[-1])
    H, g = flat.T @ flat, flat.T @ r.reshape(-1)
    H[-1, -1] += 1.0
    g[-1] -= state["off"]
    V = Jl.transpose(0, 2, 1) @ Jl
    V = V + (damping + 1e-9) * V * np.eye(3) + 1e-12 * np.eye(3)
    Vi = np.linalg.inv(V)
    W = J.transpose(0, 2, 1) @ Jl  # (L, 6K, 3)
    gl = (Jl.transpose(0, 2, 1) @ r[..., None])[..., 0]
    WV = W @ Vi
    S = H - np.tensordot(WV, W, ((0, 2), (0, 2)))
    b = g - np.tensordot(WV, gl, ((0, 2), (0, 1)))
    return S, b, W, (Vi, gl)


def _solve(state: dict, damping: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The steps of the poses (K, 6), the first of which stays, of the landmarks (L, 3) and of the bias."""
    S, b, W, (Vi, gl) = _reduced(state, damping)
    free = slice(6, None)
    A = S[free, free]
    A = A + (damping * np.diag(A) + 1e-9) * np.eye(len(A))
    step = np.zeros(len(b))
    step[free] = np.linalg.solve(A, b[free])
    points = (Vi @ (gl - np.einsum("lpi,p->li", W, step))[..., None])[..., 0]
    return step[:-1].reshape(-1, 6), points, step[-1] * state["sigma"]
