"""A training state packed and unpacked is the same to the bit."""

import pytest

torch = pytest.importorskip("torch")

from depth_ros.core.errors import InputError  # noqa: E402
from train.checkpoint import pack, unpack  # noqa: E402


@pytest.fixture
def run(tmp_path):
    """A run after one step of AdamW, as train.fit saves it."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    average = torch.optim.swa_utils.AveragedModel(net, use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    net(torch.rand(4, 3)).square().sum().backward()
    optimizer.step()
    average.update_parameters(net)
    folder = tmp_path / "run"
    folder.mkdir()
    parts = {"net": net, "average": average, "optimizer": optimizer}
    state = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"step": 7, "spent": 1.5, **state}, folder / "checkpoint.pt")
    (folder / "recipe.yaml").write_text("task: stereo\n")
    return folder, net, optimizer


def test_a_state_comes_back_to_the_bit(run, tmp_path):
    folder, net, optimizer = run
    files = pack(folder, tmp_path / "state")
    assert {path.name for path in files} == {
        "weights.safetensors",
        "average.safetensors",
        "optimizer.safetensors",
        "recipe.yaml",
    }
    path = unpack(tmp_path / "state", tmp_path / "again")
    before = torch.load(folder / "checkpoint.pt", weights_only=True)
    after = torch.load(path, weights_only=True)
    assert after["step"] == 7 and after["spent"] == 1.5
    for name, tensor in before["net"].items():
        assert torch.equal(after["net"][name], tensor)
    other = torch.optim.AdamW(net.parameters(), lr=0.5)
    other.load_state_dict(after["optimizer"])
    assert other.param_groups[0]["lr"] == 0.1
    assert other.param_groups[0]["betas"] == optimizer.param_groups[0]["betas"]
    for mine, theirs in zip(other.state.values(), optimizer.state.values()):
        assert torch.equal(mine["exp_avg_sq"], theirs["exp_avg_sq"])
        assert torch.equal(mine["step"], theirs["step"])


def test_what_is_missing_or_begun_is_named(run, tmp_path):
    folder, _, _ = run
    with pytest.raises(InputError, match="checkpoint.pt, got none"):
        pack(tmp_path, tmp_path / "state")
    pack(folder, tmp_path / "state")
    with pytest.raises(InputError, match="not overwritten"):
        unpack(tmp_path / "state", folder)
    (tmp_path / "state" / "average.safetensors").unlink()
    with pytest.raises(InputError, match="expected average.safetensors"):
        unpack(tmp_path / "state", tmp_path / "new")
