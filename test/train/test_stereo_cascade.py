"""The stereo networks: their parts against geometry."""

import pytest

torch = pytest.importorskip("torch")

from train.model import local_costs as costs_of  # noqa: E402
from train.model.propagation import mix  # noqa: E402
from train.model.stereo_cascade import CascadeStereoNet, FastStereoNet  # noqa: E402
from train.model.stereo_stage import RefinementStage, StageSize  # noqa: E402

SMALL = StageSize(cell_px=4, widths=(8, 12, 16, 16), tail=8)
SMALL_FINE = StageSize(cell_px=2, widths=(8, 12, 16, 16), dilations=(2, 1), tail=8, follows=True)


def images(height=64, width=96, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=generator), torch.rand(
        1, 3, height, width, generator=generator
    )


def test_costs_are_zero_at_the_true_disparity():
    wide = torch.rand(2, 4, 6, 60, generator=torch.Generator().manual_seed(1))
    here, there = wide[..., :40], wide[..., 5:45]  # there[u - 5] = here[u]
    costs = costs_of.local_costs(here, there, torch.full((2, 1, 6, 40), 4.3), (-1, 0, 1))[..., 10:]
    assert costs.shape == (2, 3, 6, 30)
    assert costs[:, 2].abs().max() == 0
    assert costs[:, :2].mean() > 0.1


def test_subpixel_costs_interpolate_the_right_features():
    here = torch.zeros(1, 1, 1, 12)
    there = torch.arange(12.0).view(1, 1, 1, 12)
    costs = costs_of.local_costs_subpixel(
        here, there, torch.full((1, 1, 1, 12), 2.25), (-0.5, 0.0, 0.5)
    )
    # Column 8 looks at 8 - 2.25 - offset, where the right feature is that number itself.
    torch.testing.assert_close(costs[0, :, 0, 8], torch.tensor([6.25, 5.75, 5.25]))


def test_what_a_near_box_hides_is_told_from_disparities_alone():
    """A box of disparity 7 from column 20 on, before a wall of 2: the 5 columns left of it are
    hidden, no other.
    """
    shift = torch.full((1, 1, 3, 40), 2.0)
    shift[..., 20:] = 7.0
    hidden, outside = costs_of.occlusion_margin(shift)[0, :, 1]
    assert torch.nonzero(hidden >= 0).flatten().tolist() == [15, 16, 17, 18, 19]
    assert torch.nonzero(outside > 0).flatten().tolist() == [
        0,
        1,
    ]  # columns 0 and 1 land left of the right image


def test_a_far_occluder_is_found_at_any_distance():
    shift = torch.zeros(1, 1, 1, 150)
    shift[..., 101] = 100.0  # lands on column 1
    assert costs_of.occlusion_margin(shift)[0, 0, 0, 1] == 0


@pytest.mark.parametrize("size", [SMALL, SMALL_FINE])
def test_planes_of_the_nearest_cells_meet_on_a_slanted_wall(size):
    """Disparity 10 + 0.5 u - 0.25 v px: any of the four nearest cells extrapolates it to every
    pixel of a cell.
    """
    stage = RefinementStage(size)
    unit_px, cell = size.cell_px / 4, size.cell_px
    v, u = torch.meshgrid(torch.arange(6.0 * cell), torch.arange(8.0 * cell), indexing="ij")
    wall_px = (10 + 0.5 * u - 0.25 * v)[None, None]
    moved = wall_px[..., ::cell, ::cell] / unit_px
    per_cell = cell**2
    inner = (..., slice(cell, -cell), slice(cell, -cell))
    for option in range(4):
        slant = torch.zeros(1, stage.options * per_cell + 6, 6, 8)
        slant[:, : stage.options * per_cell] = -100
        slant[:, option * per_cell : (option + 1) * per_cell] = 100
        # A slope is 2 tanh(x) quarter cells of disparity per quarter cell of image: px per px in
        # any unit.
        slant[:, -6], slant[:, -5] = (
            torch.atanh(torch.tensor(0.25)),
            torch.atanh(torch.tensor(-0.125)),
        )
        candidates = [torch.zeros(1, per_cell, 6, 8)] * (stage.options - 4)
        found = (
            stage._choose(moved, candidates, torch.zeros(1, 5 * per_cell, 6, 8), slant) * unit_px
        )
        torch.testing.assert_close(found[inner], wall_px[inner], atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [SMALL, SMALL_FINE])
def test_a_pixel_chooses_the_neighbour_on_its_side(size):
    stage = RefinementStage(size)
    moved = torch.arange(6.0).view(1, 1, 2, 3)
    per_cell, cell = size.cell_px**2, size.cell_px
    found = {}
    for option in range(4):
        slant = torch.zeros(1, stage.options * per_cell + 6, 2, 3)
        slant[:, : stage.options * per_cell] = -100
        slant[:, option * per_cell : (option + 1) * per_cell] = 100
        candidates = [torch.zeros(1, per_cell, 2, 3)] * (stage.options - 4)
        found[option] = stage._choose(moved, candidates, torch.zeros(1, 5 * per_cell, 2, 3), slant)[
            0, 0
        ].round()
    middle = (slice(cell, 2 * cell), slice(cell, 2 * cell))  # the cell of value 4
    half = cell // 2
    assert (found[0][middle] == 4).all()
    assert (
        found[1][middle][:half] == 1
    ).all()  # the upper half looks up; the lower to the border, which is repeated
    assert (found[1][middle][half:] == 4).all()
    assert (found[2][middle][:, :half] == 3).all() and (found[2][middle][:, half:] == 5).all()
    assert (found[3][middle][:half, :half] == 0).all() and (
        found[3][middle][:half, half:] == 2
    ).all()


@pytest.mark.parametrize("size", [SMALL, SMALL_FINE])
def test_candidates_land_on_their_own_pixels(size):
    stage = RefinementStage(size)
    per_cell = size.cell_px**2
    generator = torch.Generator().manual_seed(2)
    prior = torch.rand(1, 1, 2 * 3, 2 * 5, generator=generator)
    answer = torch.rand(1, 1, size.cell_px * 3, size.cell_px * 5, generator=generator)
    given = stage.upsampling.per_pixel(torch.nn.functional.pixel_unshuffle(prior, 2))
    candidates = [given, stage.upsampling.of_image(answer)][: stage.options - 4]
    wanted = [torch.nn.functional.interpolate(prior, answer.shape[2:], mode="nearest"), answer]
    for option in range(4, stage.options):
        slant = torch.zeros(1, stage.options * per_cell + 6, 3, 5)
        slant[:, : stage.options * per_cell] = -100
        slant[:, option * per_cell : (option + 1) * per_cell] = 100
        found = stage._choose(
            torch.zeros(1, 1, 3, 5), candidates, torch.zeros(1, 5 * per_cell, 3, 5), slant
        )
        torch.testing.assert_close(found, wanted[option - 4])


def test_a_mixture_weighs_its_options():
    options = [torch.tensor(2.0), torch.tensor(10.0)]
    assert mix(options, (torch.tensor(3.0), torch.tensor(1.0))).item() == 4


def test_untrained_networks_return_a_flat_prior():
    left, right = images()
    for net, scale in ((FastStereoNet(SMALL), 2), (CascadeStereoNet(SMALL, SMALL_FINE), 1)):
        prior = torch.ones(1, 2, 64 // scale, 96 // scale)
        prior[:, :1] = 12.0
        disparity, log_sigma = net.eval()(left, right, prior)
        assert disparity.shape == log_sigma.shape == (1, 1, 64, 96)
        torch.testing.assert_close(disparity, torch.full((1, 1, 64, 96), 12.0), atol=1e-3, rtol=0)


def test_the_fast_network_is_the_coarse_stage():
    torch.manual_seed(0)
    net = CascadeStereoNet(SMALL, SMALL_FINE).eval()
    for layer in (net.coarse.guess, net.coarse.choice, net.coarse.slant):
        torch.nn.init.normal_(layer.weight, std=0.3)
    left, right = images()
    prior = torch.rand(1, 2, 64, 96) * 20
    half_prior = torch.rand(1, 2, 32, 48) * 20
    coarse, fine = net.stages(left, right, prior, half_prior)
    disparity, log_sigma = FastStereoNet.of(net.coarse)(left, right, half_prior)
    assert torch.equal(disparity, coarse.disparity) and torch.equal(log_sigma, coarse.log_sigma)
    assert not torch.equal(disparity, fine.disparity)


@pytest.mark.parametrize("size", [SMALL, SMALL_FINE])
def test_sigma_is_scaled_as_asked_and_nothing_else(size):
    torch.manual_seed(0)
    stage = RefinementStage(size).eval()
    torch.nn.init.normal_(stage.spread.weight, std=0.1)
    left, right = images()
    prior = torch.rand(1, 2, 128 // size.cell_px, 192 // size.cell_px)
    answer = torch.rand(1, 1, 64, 96) if size.follows else None
    before = stage(left, right, prior, answer)
    stage.scale_spread(1.5, -0.5)
    after = stage(left, right, prior, answer)
    torch.testing.assert_close(after.log_sigma, 1.5 * before.log_sigma - 0.5)
    assert torch.equal(before.disparity, after.disparity)
