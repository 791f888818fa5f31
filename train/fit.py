"""Fit the stereo network to a pool of pairs. The loop reads from top to bottom."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, fields
from itertools import count
from pathlib import Path

import torch
import yaml
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from depth_ros.core.errors import InputError
from train.data.stereo import StereoPairs
from train.losses import stereo_loss
from train.model.stereo import StereoNet

_HELD_OUT = 32  # the first pairs of every pool are never trained on


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training.

    pool: folder of pairs; minutes: budget, the schedule ends with it; batch: pairs a step; height, width: crop, px;
    learning_rate: peak; width_channels: of the network; ema: decay of the averaged weights; checkpoint_s: seconds
    between checkpoints; threads: of the CPU; seed: of everything random.
    """

    pool: str = "runs/pool"
    minutes: float = 60.0
    batch: int = 4
    height: int = 256
    width: int = 320
    learning_rate: float = 2e-3
    width_channels: int = 16
    ema: float = 0.998
    checkpoint_s: float = 120.0
    threads: int = 1
    seed: int = 0

    @classmethod
    def load(cls, path: Path | None, **changes) -> Recipe:
        """Read a YAML file (None: defaults) and apply changes that are not None; an unknown key is an InputError."""
        values = (yaml.safe_load(Path(path).read_text()) or {}) if path else {}
        values.update({k: v for k, v in changes.items() if v is not None})
        if unknown := sorted(set(values) - {f.name for f in fields(cls)}):
            raise InputError(f"recipe {path}: expected keys {[f.name for f in fields(cls)]}, got unknown {unknown}")
        return cls(**values)


def fit(recipe: Recipe, out: Path) -> Path:
    """Train until the recipe's minutes are spent and return the checkpoint; resumes from out/checkpoint.pt if there.

    Writes out/checkpoint.pt (weights, averaged weights, optimiser, step, seconds), out/recipe.yaml and TensorBoard
    events. A kill or an error loses at most checkpoint_s seconds and never a checkpoint. A loss that is not finite
    skips the step and counts it; ten in a row end the run with an error.
    """
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    (out / "recipe.yaml").write_text(yaml.safe_dump(asdict(recipe), sort_keys=False))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = StereoNet(recipe.width_channels).to(device)
    average = torch.optim.swa_utils.AveragedModel(net, avg_fn=_ema(recipe.ema), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=1e-4)
    state = {"net": net, "average": average, "optimizer": optimizer}
    step, spent = _resume(out / "checkpoint.pt", state, device)
    log, bad = SummaryWriter(out / "events"), 0
    started = saved = time.monotonic() - spent
    saved += spent
    bar = tqdm(total=round(60 * recipe.minutes), initial=round(spent), unit="s", desc="fit")
    for batch in _batches(recipe, step):
        batch = {k: v.to(device, non_blocking=True) for k, v in batch.items()}
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(spent / (60 * recipe.minutes), step)
        halves, disparity, log_sigma = net.stages(batch["left"], batch["right"], batch["prior"])
        loss = stereo_loss(halves, disparity, log_sigma, batch["truth"], batch["mask"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        bad = 0 if torch.isfinite(norm) else bad + 1
        if bad >= 10:
            raise RuntimeError(f"step {step}: ten gradients in a row were not finite; the last checkpoint is good")
        if not bad:
            optimizer.step()
            average.update_parameters(net)
        step, spent = step + 1, time.monotonic() - started
        bar.n = min(round(spent), bar.total)
        if step % 10 == 0:
            matched = bad_share(batch["prior"][:, :1], batch)
            bar.set_postfix(step=step, loss=f"{loss.item():.3f}")
            log.add_scalar("loss", loss.item(), step)
            log.add_scalars("bad2_pct", {"net": bad_share(disparity, batch), "matched": matched}, step)
        done = spent >= 60 * recipe.minutes
        if done or time.monotonic() - saved > recipe.checkpoint_s:
            _save(out / "checkpoint.pt", state, step, spent)
            print(f"\nstep {step}: {held_out_report(average.module, recipe)}", flush=True)
            saved = time.monotonic()
        if done:
            return out / "checkpoint.pt"


def held_out_report(net: StereoNet, recipe: Recipe) -> str:
    """One line: bad2 in % on the held-out pairs of the pool, of the network and of the match it starts from."""
    files = sorted(Path(recipe.pool).glob("*.npz"))[:_HELD_OUT]
    device = next(net.parameters()).device
    net.eval()
    rows = []
    with torch.no_grad():
        for item in StereoPairs(files, (recipe.height, recipe.width), spoil=False):
            batch = {k: v[None].to(device) for k, v in item.items()}
            disparity, _ = net(batch["left"], batch["right"], batch["prior"])
            rows.append((bad_share(disparity, batch), bad_share(batch["prior"][:, :1], batch)))
    net.train()
    mean = torch.tensor(rows).mean(0)
    return f"held-out bad2 {mean[0]:.2f} %, matched {mean[1]:.2f} %"


def bad_share(disparity: torch.Tensor, batch: dict, px: float = 2.0) -> float:
    """Percentage of judged pixels whose disparity is wrong by more than `px`."""
    wrong = ((disparity - batch["truth"]).abs() > px) & batch["mask"]
    return 100 * float(wrong.sum()) / max(int(batch["mask"].sum()), 1)


def _batches(recipe: Recipe, first_step: int):
    """Endless batches; the files are listed anew each epoch, since the pool may be growing."""
    done = first_step
    for epoch in count():
        files = sorted(Path(recipe.pool).glob("*.npz"))[_HELD_OUT:]
        if len(files) < recipe.batch:
            raise InputError(f"{recipe.pool}: expected more than {_HELD_OUT + recipe.batch} pairs, got {len(files)}")
        pairs = StereoPairs(files, (recipe.height, recipe.width), seed=recipe.seed + first_step)
        order = torch.randperm(len(files), generator=torch.Generator().manual_seed(epoch + done)).tolist()
        keys = [(index, epoch) for index in order]
        yield from DataLoader(pairs, recipe.batch, sampler=keys, drop_last=True, num_workers=1, prefetch_factor=4)


def _ema(decay: float):
    """Exponential moving average that forgets its random start: the decay grows to `decay` over the first steps."""

    def average(old, new, count):
        return old + (new - old) * max(1 - decay, float(1 / (1 + 0.2 * count)))

    return average


def _schedule(progress: float, step: int) -> float:
    """Warm up over 100 steps, then a straight line to zero at the end of the budget."""
    return min(1.0, (step + 1) / 100) * max(0.005, 1 - progress)


def _resume(path: Path, state: dict, device: str) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    saved = torch.load(path, map_location=device, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(saved[name])
    print(f"resume {path} at step {saved['step']}, {saved['spent'] / 60:.1f} min spent", flush=True)
    return saved["step"], saved["spent"]


def _save(path: Path, state: dict, step: int, spent: float) -> None:
    """Write aside and rename: a full disk or a kill leaves the last checkpoint whole."""
    part = path.with_suffix(".part")
    torch.save({"step": step, "spent": spent, **{k: v.state_dict() for k, v in state.items()}}, part)
    os.replace(part, path)
