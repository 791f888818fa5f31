"""The loop: it resumes the same curve, outlives NaN, kills and full disks, and two processes are
one joint batch.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from worlds import MovingCamera  # noqa: E402

from depth_ros.core.errors import InputError  # noqa: E402
from train import fit as loop  # noqa: E402
from train.data.batches import Sizes, StepBatches  # noqa: E402
from train.objective import make_objective  # noqa: E402
from train.recipe import Recipe  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RECIPE = {
    "data": {"sizes": [[32, 64]], "offsets": [-1, 1]},
    "network": {"pretrained": False, "freeze_norm": True},
    "pose": {"use": True, "pretrained": False},
    "loss": {
        "photometric": 1.0,
        "smoothness": 1e-3,
        "auto_mask": False,
    },  # whose ties are broken at random
    "fit": {"steps": 4, "batch": 2, "workers": 0, "checkpoint_s": 0.0, "learning_rate": 1e-3},
}


@pytest.fixture(scope="module")
def frames():
    return MovingCamera(6)


def recipe(**fit):
    return Recipe.from_dict(RECIPE).with_fit(**fit)


def saved(run):
    return torch.load(run / "checkpoint.pt", weights_only=True)


def same(a, b):
    return all(torch.equal(a["net"][name], b["net"][name]) for name in a["net"])


@pytest.fixture(scope="module")
def straight(frames, tmp_path_factory):
    """A run of four steps that nothing disturbed."""
    out = tmp_path_factory.mktemp("straight")
    loop.fit(recipe(), out, frames, frames)
    return out


def test_a_run_leaves_recipe_checkpoint_and_pictures(straight):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert Recipe.load(straight / "recipe.yaml") == recipe()
    assert saved(straight)["step"] == 4 and not list(straight.glob("*.part*"))
    events = EventAccumulator(str(straight / "events"))
    events.Reload()
    tags = events.Tags()
    assert "held_out/0" in tags["images"] and {"held_out/photometric", "held_out/abs_rel"} <= set(
        tags["scalars"]
    )


def test_a_killed_run_continues_the_same_curve(straight, frames, tmp_path, monkeypatch):
    step = loop._Board.step

    def killed(self, number, *rest):
        step(self, number, *rest)
        if number == 3:
            raise SystemError("killed before it could save step 3")

    monkeypatch.setattr(loop._Board, "step", killed)
    with pytest.raises(SystemError):
        loop.fit(recipe(), tmp_path, frames, frames)
    assert saved(tmp_path)["step"] == 2
    monkeypatch.setattr(loop._Board, "step", step)
    loop.fit(recipe(), tmp_path, frames, frames)
    assert saved(tmp_path)["step"] == 4 and same(saved(tmp_path), saved(straight))


def test_an_interrupt_loses_nothing(frames, tmp_path, monkeypatch):
    step = loop._Board.step

    def interrupted(self, number, *rest):
        step(self, number, *rest)
        if number == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop._Board, "step", interrupted)
    loop.fit(recipe(checkpoint_s=1e9), tmp_path, frames, frames)
    assert (
        saved(tmp_path)["step"] == 2
    )  # the signal came after the first step had asked whether to stop


def test_one_bad_gradient_is_skipped_and_ten_are_an_error(frames, tmp_path, monkeypatch):
    real = torch.nn.utils.clip_grad_norm_
    norms = iter([float("nan")])
    monkeypatch.setattr(
        torch.nn.utils,
        "clip_grad_norm_",
        lambda *a: torch.tensor(next(norms, 0.0)) if norms else real(*a),
    )
    loop.fit(recipe(steps=1), tmp_path / "one", frames, frames)
    fresh = saved(tmp_path / "one")
    torch.manual_seed(0)
    assert same(fresh, {"net": make_objective(recipe()).state_dict()})
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *a: torch.tensor(float("inf")))
    with pytest.raises(RuntimeError, match="ten gradients"):
        loop.fit(recipe(steps=30), tmp_path / "ten", frames, frames)
    assert saved(tmp_path / "ten")["step"] == 9


def test_a_full_disk_keeps_the_checkpoint_before(straight, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"the one before")

    def full(_, file):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    loop._save(path, {}, 5, 1.0)
    with pytest.raises(OSError, match="No space"):
        loop._save(path, {}, 5, 1.0, last=True)
    assert path.read_bytes() == b"the one before" and [p.name for p in tmp_path.iterdir()] == [
        "checkpoint.pt"
    ]


def test_nothing_is_written_where_there_is_nothing_to_train_on(tmp_path):
    with pytest.raises(InputError, match="clips"):
        loop.fit(Recipe.from_dict({"data": {"path": str(tmp_path / "none")}}), tmp_path / "run")
    with pytest.raises(InputError, match="expected crops"):
        loop.fit(
            Recipe.from_dict({"task": "stereo", "data": {"path": str(tmp_path)}}), tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_a_part_can_start_from_another_training():
    one, other = make_objective(recipe()), make_objective(recipe())
    pose = {name: value for name, value in other.state_dict().items() if name.startswith("pose.")}
    loop.start_from(one, pose)
    assert all(torch.equal(one.state_dict()[name], value) for name, value in pose.items())
    with pytest.raises(InputError, match="none.weight"):
        loop.start_from(one, {"none.weight": torch.zeros(1)})


def test_the_shares_of_processes_are_the_joint_batch(frames):
    samples = Sizes([[None] * 23, [None] * 23])
    joint = StepBatches(samples, recipe(batch=4), 0)
    shares = [StepBatches(samples, recipe(batch=4), 0, rank, 2) for rank in (0, 1)]
    for step in range(12):
        own = [share.keys(step)[share._rank :: 2] for share in shares]
        assert (
            sorted(own[0] + own[1]) == sorted(joint.keys(step)) and len(own[0]) == len(own[1]) == 2
        )
    epoch = [key[1] for step in range(5) for key in joint.keys(step)]
    assert len(set(epoch)) == 20  # none twice within an epoch
    assert next(iter(StepBatches(samples, recipe(batch=4), 7))) == joint.keys(7)
    with pytest.raises(InputError, match="multiple of 3"):
        StepBatches(samples, recipe(batch=4), 0, 0, 3)


WORKER = """
import sys, torch
from pathlib import Path
from test_fit import recipe
from worlds import MovingCamera
from train.data.batches import StepBatches
from train.fit import fit, make_fabric
from train.objective import make_objective
frames, out = MovingCamera(6), Path(sys.argv[1])
fabric = make_fabric()
fabric.launch()
torch.manual_seed(0)
options = recipe(batch=4)
objective = make_objective(options)
net, optimizer = fabric.setup(objective, torch.optim.SGD(objective.parameters(), 0.1))
samples = objective.samples("train", frames)
keys = next(iter(StepBatches(samples, options, 0, fabric.global_rank, fabric.world_size)))
batch = torch.utils.data.default_collate([samples[key] for key in keys])
loss, _ = net(batch)
fabric.backward(loss)
loss = fabric.all_reduce(loss.detach(), reduce_op="mean")
if fabric.is_global_zero:
    named = objective.named_parameters()
    grads = {name: p.grad for name, p in named if p.grad is not None}
    torch.save({"loss": loss, "grads": grads}, out)
"""


def test_two_processes_equal_one_with_the_joint_batch(tmp_path):
    results = []
    (tmp_path / "worker.py").write_text(WORKER)
    for world in (1, 2):
        out = tmp_path / f"{world}.pt"
        command = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            f"--nproc-per-node={world}",
            "--master-port=29531",
            str(tmp_path / "worker.py"),
            str(out),
        ]
        env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}",
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr[-2000:]
        results.append(torch.load(out, weights_only=True))
    one, two = results
    torch.testing.assert_close(one["loss"], two["loss"])
    assert one["grads"].keys() == two["grads"].keys() and len(one["grads"]) > 100
    for name, grad in one["grads"].items():
        assert (two["grads"][name] - grad).norm() <= 1e-3 * grad.norm() + 1e-7, name
