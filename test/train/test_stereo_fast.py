"""The fast stereo network: its parts against geometry."""

import pytest

torch = pytest.importorskip("torch")

from train.model import stereo_fast as fast  # noqa: E402


def test_costs_are_zero_at_the_true_disparity():
    wide = torch.rand(2, 4, 6, 60, generator=torch.Generator().manual_seed(1))
    here, there = wide[..., :40], wide[..., 5:45]  # there[u - 5] = here[u]
    costs = fast.local_costs(here, there, torch.full((2, 1, 6, 40), 4.3), (-1, 0, 1))[..., 10:]
    assert costs.shape == (2, 3, 6, 30)
    assert costs[:, 2].abs().max() == 0
    assert costs[:, :2].mean() > 0.1


def test_a_pixel_chooses_the_neighbour_on_its_side():
    """Quarter values 0..5 in 2 x 3 cells: with all weight on one choice each 4 x 4 cell takes it
    by quadrants.
    """
    quarter = torch.arange(6.0).view(1, 1, 2, 3)
    matched = torch.full((1, 4, 2, 3), 50.0)
    chosen = {}
    for choice in range(5):
        logits = torch.full((1, 80, 2, 3), -100.0)
        logits[:, 16 * choice : 16 * choice + 16] = 100
        chosen[choice] = fast.upsample(quarter, matched, logits)[0, 0]
    assert chosen[0].shape == (8, 12)
    torch.testing.assert_close(
        chosen[0], quarter[0, 0].repeat_interleave(4, 0).repeat_interleave(4, 1)
    )
    # The cell of value 4 lies in the second row, the middle: rows 4 to 7, columns 4 to 7; its upper
    # half looks up.
    assert chosen[1][4:8, 4:8].round().tolist() == [[1] * 4] * 2 + [[4] * 4] * 2
    assert chosen[2][4:8, 4:8].round().tolist() == [[3, 3, 5, 5]] * 4
    assert chosen[3][4:8, 4:8].round().tolist() == [[0, 0, 2, 2]] * 2 + [[3, 3, 5, 5]] * 2
    assert (chosen[4] == 50).all()


def test_the_match_lands_on_its_own_pixels():
    half = torch.rand(1, 1, 6, 10, generator=torch.Generator().manual_seed(2))
    logits = torch.full((1, 80, 3, 5), -100.0)
    logits[:, 64:] = 100
    found = fast.upsample(
        torch.zeros(1, 1, 3, 5), torch.nn.functional.pixel_unshuffle(half, 2), logits
    )
    torch.testing.assert_close(
        found, torch.nn.functional.interpolate(half, scale_factor=2, mode="nearest")
    )


def test_a_mixture_weighs_its_options():
    options = [torch.tensor(2.0), torch.tensor(10.0)]
    assert fast.mix(options, (torch.tensor(3.0), torch.tensor(1.0))).item() == 4


def test_the_untrained_network_returns_a_flat_prior():
    prior = torch.full((1, 2, 32, 48), 12.0)
    disparity, log_sigma = fast.FastStereoNet().eval()(
        torch.rand(1, 3, 64, 96), torch.rand(1, 3, 64, 96), prior
    )
    assert disparity.shape == log_sigma.shape == (1, 1, 64, 96)
    torch.testing.assert_close(disparity, torch.full((1, 1, 64, 96), 12.0))
