"""Losses: least at the truth in the procedural world, values worked out by hand, true gradients,
empty masks.
"""

import math

import pytest

torch = pytest.importorskip("torch")

from torch.autograd import gradcheck  # noqa: E402

from depth_ros.core.errors import InputError  # noqa: E402
from train import losses, warp  # noqa: E402


def random(*shape, seed=1, low=0.0, high=1.0):
    rng = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(*shape, generator=rng, dtype=torch.float64)


def leaf(x):
    return x.clone().requires_grad_()


# --- least at the truth


def reprojection(views, scale=1.0, change=(0.0,) * 6, source="source"):
    """The mean photometric error of the target, with its depth scaled and the pose changed."""
    pose = views.pose + torch.tensor([change])
    T, K = warp.pose_to_matrix(pose), views.K_source
    if source == "other":
        T, K = warp.inverse(T), views.K_target
    shown, valid = warp.warp(
        getattr(views, source), views.target_depth * scale, T, views.K_target, K
    )
    return losses.photometric(shown, views.target), valid


SCALES = [0.9, 0.94, 0.97, 1.0, 1.03, 1.06, 1.1]


@pytest.mark.parametrize("source", ["source", "other"])
def test_the_photometric_error_is_least_at_the_true_depth(views, source):
    sweep = [
        losses.masked_mean(*reprojection(views, scale, source=source)).item() for scale in SCALES
    ]
    assert sweep.index(min(sweep)) == SCALES.index(1.0)
    assert sorted(sweep[:4], reverse=True) == sweep[:4] and sorted(sweep[3:]) == sweep[3:]


@pytest.mark.parametrize("reduce", [losses.minimum_reprojection, losses.mean_reprojection])
def test_the_error_over_two_sources_is_least_at_the_true_depth(views, reduce):
    sweep = []
    for scale in SCALES:
        errors, valid = zip(*(reprojection(views, scale, source=s) for s in ("source", "other")))
        sweep.append(losses.masked_mean(*reduce(torch.cat(errors, 1), torch.cat(valid, 1))).item())
    assert sweep.index(min(sweep)) == SCALES.index(1.0)


@pytest.mark.parametrize("component", range(6))
def test_the_photometric_error_is_least_at_the_true_pose(views, component):
    unit = 0.004 if component < 3 else 0.02  # rad, m: about a third of a pixel
    sweep = []
    for steps in (-4, -2, -1, 0, 1, 2, 4):
        change = [0.0] * 6
        change[component] = steps * unit
        sweep.append(losses.masked_mean(*reprojection(views, change=change)).item())
    assert sweep.index(min(sweep)) == 3
    assert sorted(sweep[:4], reverse=True) == sweep[:4] and sorted(sweep[3:]) == sweep[3:]


def test_the_pose_is_found_by_descent(views):
    start = torch.tensor([[0.006, -0.004, 0.008, -0.02, 0.02, -0.03]])
    change = leaf(start)
    optimiser = torch.optim.LBFGS([change], max_iter=25, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        T = warp.pose_to_matrix(views.pose + change)
        shown, valid = warp.warp(
            views.source, views.target_depth, T, views.K_target, views.K_source
        )
        value = losses.masked_mean(losses.photometric(shown, views.target), valid)
        value.backward()
        return value

    optimiser.step(loss)
    tenth = 0.1 / 80.0  # of a pixel, as an angle; on the far wall 5 mm
    assert (
        change[0, :3].abs().max() < tenth
        and change[0, 3:].abs().max() < tenth * views.target_depth.max()
    )


def test_the_photometric_error_is_least_at_the_true_disparity(views):
    sweep = []
    for factor in (0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1):
        shown, valid = warp.warp_disparity(views.right, views.disparity * factor, -1)
        sweep.append(losses.masked_mean(losses.photometric(shown, views.target), valid).item())
    assert sweep.index(min(sweep)) == 3
    assert sorted(sweep[:4], reverse=True) == sweep[:4] and sorted(sweep[3:]) == sweep[3:]


def test_left_right_consistency_is_least_at_the_true_disparity(views):
    """The right camera's own disparity agrees with the left one's; scaled or swapped it does
    not.
    """
    right = views.right_disparity
    at = {
        f: losses.left_right_consistency(views.disparity * f, right).item()
        for f in (0.9, 0.97, 1.0, 1.03, 1.1)
    }
    assert min(at, key=at.get) == 1.0
    assert losses.left_right_consistency(right, views.disparity) > 2 * at[1.0]


def test_silog_is_least_at_the_true_depth(views):
    truth = views.target_depth
    everywhere = torch.ones_like(truth, dtype=torch.bool)
    sweep = [losses.silog(truth * scale, truth, everywhere).item() for scale in SCALES]
    assert (
        sweep[3] == 0
        and sorted(sweep[:4], reverse=True) == sweep[:4]
        and sorted(sweep[3:]) == sweep[3:]
    )


# --- photometric


def test_ssim_of_flat_and_opposite_windows():
    a, b = torch.full((1, 1, 4, 5), 0.2), torch.full((1, 1, 4, 5), 0.6)
    c1, c2 = 1e-4, 9e-4
    assert losses.ssim(a, b)[0, 0, 1, 2].item() == pytest.approx(
        (2 * 0.12 + c1) / (0.04 + 0.36 + c1), rel=1e-4
    )
    assert torch.allclose(losses.ssim(a, a), torch.ones(1))
    board = (torch.arange(5)[:, None] + torch.arange(6)) % 2
    board = board[None, None].double()
    # inside, a window holds 5 of one and 4 of the other: means 5/9 and 4/9, variances and
    # -covariance 20/81
    product, variance = 20 / 81, 20 / 81
    expected = (2 * product + c1) * (-2 * variance + c2) / ((41 / 81 + c1) * (2 * variance + c2))
    torch.testing.assert_close(
        losses.ssim(board, 1 - board), torch.full((1, 1, 5, 6), expected, dtype=torch.float64)
    )


def test_photometric_mixes_ssim_and_l1():
    a, b = random(1, 3, 5, 6), random(1, 3, 5, 6, seed=2)
    l1 = (a - b).abs().mean(1, keepdim=True)
    torch.testing.assert_close(losses.photometric(a, b, 0.0), l1)
    both = 0.85 * (1 - losses.ssim(a, b)).mean(1, keepdim=True) / 2 + 0.15 * l1
    torch.testing.assert_close(losses.photometric(a, b), both)
    assert losses.photometric(a, a).abs().max() < 1e-12


def test_the_least_error_of_the_valid_sources_counts():
    errors = torch.tensor([0.3, 0.1, 0.2]).view(1, 3, 1, 1).expand(1, 3, 1, 3)
    valid = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 0, 0]], dtype=torch.bool).T.view(1, 3, 1, 3)
    least, judged = losses.minimum_reprojection(errors, valid)
    torch.testing.assert_close(least, torch.tensor([[[[0.1, 0.2, 0.0]]]]))
    assert judged.tolist() == [[[[True, True, False]]]]
    mean, judged = losses.mean_reprojection(errors, valid)
    torch.testing.assert_close(mean, torch.tensor([[[[0.2, 0.25, 0.0]]]]))
    assert judged.tolist() == [[[[True, True, False]]]]
    believed = losses.mean_reprojection(
        errors, valid, torch.tensor([1.0, 1.0, 0.5]).view(1, 3, 1, 1)
    )[0]
    torch.testing.assert_close(believed, torch.tensor([[[[0.5 / 3, 0.2, 0.0]]]]))


def test_minimum_reprojection_forgives_what_one_source_cannot_see(room_views):
    errors, valid = zip(*(reprojection(room_views, source=s) for s in ("source", "other")))
    both = torch.cat(valid, 1).all(1, keepdim=True)
    least = losses.minimum_reprojection(torch.cat(errors, 1), torch.cat(valid, 1))[0][both].mean()
    assert least < 0.8 * min(e[both].mean() for e in errors)


def test_auto_mask_keeps_what_moves_and_drops_what_stands_still(views):
    errors, valid = reprojection(views)
    other = losses.photometric(views.other, views.target)
    assert losses.auto_mask(errors, other)[valid].float().mean() > 0.75
    still = losses.photometric(views.target, views.target)
    assert not losses.auto_mask(still, still).any()  # a camera at rest, and its ties
    torch.manual_seed(1)
    assert 0.4 < losses.auto_mask(still, still, noise=1e-5).float().mean() < 0.6
    assert not losses.auto_mask(leaf(errors), other).requires_grad


# --- without truth


def test_smoothness_of_a_ramp():
    ramp = torch.arange(1.0, 6.0).expand(1, 1, 4, 5)  # slope 1, mean 3
    grey = torch.full((1, 3, 4, 5), 0.5)
    assert losses.smoothness(ramp, grey).item() == pytest.approx(1 / 3)
    assert losses.smoothness(7 * ramp, grey).item() == pytest.approx(1 / 3)
    assert losses.smoothness(7 * ramp, grey, normalise=False).item() == pytest.approx(7)
    edges = torch.arange(5.0).expand(1, 3, 4, 5)  # an edge of 1 in every step of the ramp
    assert losses.smoothness(ramp, edges).item() == pytest.approx(math.exp(-1) / 3)
    assert losses.smoothness(
        ramp, edges.new_zeros(1, 3, 4, 5) + torch.arange(4.0)[:, None]
    ).item() == pytest.approx(1 / 3)


def test_left_right_consistency_of_constant_disparities():
    left, right = torch.full((1, 1, 3, 12), 3.0), torch.full((1, 1, 3, 12), 3.5)
    assert losses.left_right_consistency(left, left).item() == 0
    assert losses.left_right_consistency(left, right).item() == pytest.approx(
        1.0
    )  # 0.5 on either side
    far = torch.full((1, 1, 3, 12), 40.0, requires_grad=True)  # no match in the picture
    loss = losses.left_right_consistency(far, far)
    loss.backward()
    assert loss.item() == 0 and not far.grad.any()


def test_explainability_is_the_cross_entropy_with_one():
    assert losses.explainability(torch.zeros(1, 2, 3, 4)).item() == pytest.approx(math.log(2))
    assert losses.explainability(torch.full((1, 2, 3, 4), 50.0)).item() == pytest.approx(
        0, abs=1e-6
    )
    assert losses.explainability(torch.full((1, 1, 1, 1), -200.0)).item() == pytest.approx(200)


# --- against truth


def test_silog_by_hand():
    truth = torch.tensor([1.0, 2.0, 4.0, float("nan")]).view(1, 1, 1, 4)
    mask = truth.isfinite()
    e = math.log(1.5)
    assert losses.silog(1.5 * truth, truth, mask).item() == pytest.approx(e**2 / 2)
    assert losses.silog(1.5 * truth, truth, mask, lam=1.0).item() == pytest.approx(0, abs=1e-6)
    assert losses.silog(1.5 * truth, truth, mask, lam=0.0, root=True).item() == pytest.approx(
        e, rel=1e-5
    )
    depth = truth * torch.tensor([1.5, 1 / 1.5, 1.0, 9.0])
    assert losses.silog(depth, truth, mask, lam=1.0).item() == pytest.approx(2 * e**2 / 3)
    # a picture without truth does not water down the other
    two = torch.cat([depth, depth]), torch.cat([truth, truth]), torch.cat([mask, mask & False])
    assert losses.silog(*two, lam=1.0).item() == pytest.approx(2 * e**2 / 3)


@pytest.mark.parametrize(
    "likelihood, best", [("laplace", math.sqrt(2) * 0.2), ("gauss", math.sqrt(0.05))]
)
def test_the_likeliest_sigma_is_that_of_the_errors(likelihood, best):
    error = torch.tensor([0.1, -0.3, 0.3, -0.1], dtype=torch.float64).view(
        1, 1, 2, 2
    )  # mean |e| 0.2, mean e^2 0.05
    truth = torch.full((1, 1, 2, 2), 3.0, dtype=torch.float64)
    depth, mask = truth * error.exp(), truth > 0

    def at(sigma):
        return losses.depth_nll(
            depth, truth, torch.full_like(truth, math.log(sigma)), mask, likelihood
        ).item()

    assert at(best) < min(at(0.95 * best), at(1.05 * best))
    assert at(1.0) == pytest.approx(
        {"laplace": math.sqrt(2) * 0.2 - 0.5 * math.log(2), "gauss": 0.025}[likelihood]
    )


def test_an_unknown_likelihood_is_refused():
    one = torch.ones(1, 1, 1, 1)
    with pytest.raises(InputError, match="gauss.*got 'cauchy'"):
        losses.depth_nll(one, one, one, one > 0, "cauchy")


# --- gradients and masks


def small_pictures():
    return leaf(random(1, 3, 4, 5)), random(1, 3, 4, 5, seed=2)


def test_true_gradients_of_the_losses_without_truth():
    a, b = small_pictures()
    assert gradcheck(losses.ssim, (a, b))
    assert gradcheck(losses.photometric, (a, b))
    errors, valid = leaf(random(1, 3, 4, 5)), random(1, 3, 4, 5, seed=3) > 0.5
    assert gradcheck(lambda e: losses.minimum_reprojection(e, valid)[0], errors)
    weight = leaf(random(1, 3, 4, 5, seed=4))
    assert gradcheck(lambda e, w: losses.mean_reprojection(e, valid, w)[0], (errors, weight))
    assert gradcheck(losses.smoothness, (leaf(random(2, 1, 4, 5, low=0.5)), a))
    left, right = (
        leaf(random(1, 1, 3, 8, low=1.1, high=1.9)),
        leaf(random(1, 1, 3, 8, seed=5, low=1.1, high=1.9)),
    )
    assert gradcheck(losses.left_right_consistency, (left, right))
    assert gradcheck(losses.explainability, leaf(random(1, 2, 3, 4, low=-3, high=3)))


def test_true_gradients_of_the_losses_against_truth():
    depth, truth = (
        leaf(random(2, 1, 3, 4, low=1, high=9)),
        random(2, 1, 3, 4, seed=2, low=1, high=9),
    )
    mask = random(2, 1, 3, 4, seed=3) > 0.4
    log_sigma = leaf(random(2, 1, 3, 4, seed=4, low=-2, high=0))
    for root in (False, True):
        assert gradcheck(lambda d, root=root: losses.silog(d, truth, mask, root=root), depth)
    for name in ("laplace", "gauss"):
        assert gradcheck(
            lambda d, s, name=name: losses.depth_nll(d, truth, s, mask, name), (depth, log_sigma)
        )
        assert gradcheck(
            lambda e, s, name=name: getattr(losses, f"{name}_nll")(e, s, mask), (depth, log_sigma)
        )
    assert gradcheck(lambda d: losses.masked_mean(d, mask), depth)


@pytest.mark.parametrize(
    "loss",
    [
        losses.silog,
        lambda d, t, m: losses.silog(d, t, m, root=True),
        lambda d, t, m: losses.depth_nll(d, t, 0.1 * d, m),
        lambda d, t, m: losses.depth_nll(d, t, 0.1 * d, m, "gauss"),
        lambda d, t, m: losses.laplace_nll(d - t, 0.1 * d, m),
        lambda d, t, m: losses.masked_mean(*losses.minimum_reprojection(d, m)),
        lambda d, t, m: losses.masked_mean(*losses.mean_reprojection(d, m, 0.1 * d)),
    ],
)
def test_an_empty_mask_is_zero_with_gradient_zero_though_the_truth_is_unknown(loss):
    depth = leaf(random(2, 1, 3, 4, low=1, high=9))
    truth = torch.full_like(depth, float("nan"))
    value = loss(depth, truth, torch.zeros_like(depth, dtype=torch.bool))
    value.backward()
    assert value.item() == 0 and not depth.grad.any()


def test_unknown_truth_outside_the_mask_leaves_the_gradient_finite():
    depth, truth = (
        leaf(random(1, 1, 3, 4, low=1, high=9)),
        random(1, 1, 3, 4, seed=2, low=1, high=9),
    )
    truth[0, 0, 0] = float("nan")
    for name in ("laplace", "gauss"):
        log_sigma = leaf(torch.zeros_like(truth))
        losses.depth_nll(depth, truth, log_sigma, truth > 0, name).backward()
        assert depth.grad.isfinite().all() and log_sigma.grad.isfinite().all()
        assert not log_sigma.grad[0, 0, 0].any()
