"""Fit networks to data by a recipe, on a CPU, one GPU or many.

The loop reads from top to bottom.
"""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from depth_ros.core.errors import InputError
from depth_ros.files import replacing
from train.data.batches import StepBatches
from train.objective import make_objective
from train.recipe import Recipe

_WARM_UP = 100  # steps


def make_fabric() -> Fabric:
    """Take what is here: a GPU in bfloat16 or the CPU, alone or as one of the processes of
    torchrun or `fabric run`.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    gpu = torch.cuda.is_available()
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return Fabric(
        accelerator="cuda" if gpu else "cpu",
        devices=devices,
        num_nodes=max(1, world // devices),
        precision="bf16-mixed" if gpu else "32-true",
        strategy=DDPStrategy(find_unused_parameters=True) if world > 1 else "auto",
    )


def fit(recipe: Recipe, out: Path, frames=None, held_out=None, init: dict | None = None) -> Path:
    """Train until the recipe's budget is spent and return the checkpoint; resumes from
    out/checkpoint.pt if there.

    frames, held_out: train.data.view.Frames instead of what the recipe reads. init: weights to
    start from. Writes out/checkpoint.pt (weights, averaged weights, optimiser, step, seconds),
    out/recipe.yaml and TensorBoard events with pictures. A kill, a full disk or an error loses at
    most checkpoint_s seconds and never a checkpoint; an interrupt (Ctrl-C, SIGTERM) loses nothing.
    A gradient that is not finite skips the step; ten in a row are an error.
    """
    options = recipe.fit
    fabric = make_fabric()
    fabric.launch()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    objective = make_objective(recipe)
    if (
        recipe.task != "stereo"
    ):  # twice as fast, on a CPU too; a tenth slower where few channels are gathered
        objective = objective.to(memory_format=torch.channels_last)
    if init:
        start_from(objective, init)
    data = objective.samples(
        "train", frames
    )  # what is wrong with the data is said before anything is written
    held_out = objective.samples("val", held_out)
    average = torch.optim.swa_utils.AveragedModel(
        objective, avg_fn=_ema(options.ema), use_buffers=True
    )
    average.to(fabric.device)
    optimizer = torch.optim.AdamW(
        objective.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    net, optimizer = fabric.setup(
        torch.compile(objective) if options.compile else objective, optimizer
    )
    state = {"net": objective, "average": average, "optimizer": optimizer}
    step, spent = _resume(out / "checkpoint.pt", state, fabric.device)
    batches = StepBatches(data, recipe, step, fabric.global_rank, fabric.world_size)
    pinned = fabric.device.type != "cpu"
    loader = DataLoader(
        data,
        batch_sampler=batches,
        num_workers=options.workers,
        pin_memory=pinned,
        worker_init_fn=_deaf_worker,
    )
    loader = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
    board = _Board(out, recipe, step, spent) if fabric.is_global_zero else None
    clock, bad, saved, scored = time.monotonic() - spent, 0, time.monotonic(), time.monotonic()
    with _interrupts() as stopped:
        for batch in loader:
            torch.manual_seed(
                hash((options.seed, step, fabric.global_rank)) % 2**63
            )  # a resumed step is the same step
            progress = step / options.steps if options.steps else spent / (60 * options.minutes)
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * _schedule(progress, step, options.cooldown)
            objective.train()
            loss, parts = net(batch)
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(objective.parameters(), options.clip_norm)
            bad = 0 if torch.isfinite(norm) else bad + 1
            if bad >= 10:
                raise RuntimeError(
                    f"step {step}: ten gradients in a row were not finite; the last "
                    "checkpoint is good"
                )
            if not bad:
                optimizer.step()
                average.update_parameters(objective)
            step, spent = step + 1, time.monotonic() - clock
            done = fabric.broadcast(
                step >= options.steps if options.steps else spent >= 60 * options.minutes
            )
            done = done or bool(stopped)
            if board:
                board.step(step, spent, loss.detach(), parts)
            if board and (done or time.monotonic() - saved > options.checkpoint_s):
                _save(out / "checkpoint.pt", state, step, spent, last=done)
                saved = time.monotonic()
            if board and (done or time.monotonic() - scored > options.score_s):
                board.look(step, average.module, held_out, fabric.device)
                scored = time.monotonic()
            if done:
                break
    if board:
        board.close()
    fabric.barrier()
    return out / "checkpoint.pt"


def start_from(objective: torch.nn.Module, weights: dict) -> None:
    """Put weights into an objective by name: all of a network, or those of one part (a pose network
    trained before).

    Raises InputError where none of them fits.
    """
    state = objective.state_dict()
    fitting = {
        name: value
        for name, value in weights.items()
        if name in state and state[name].shape == value.shape
    }
    if not fitting:
        raise InputError(
            f"expected weights of this recipe's networks, got {sorted(weights)[:3]} ..."
        )
    objective.load_state_dict({**state, **fitting})


class _Board:
    """What people look at: a progress bar with the time left, curves and pictures in
    TensorBoard.
    """

    def __init__(self, out: Path, recipe: Recipe, step: int, spent: float):
        out.mkdir(parents=True, exist_ok=True)
        recipe.save(out / "recipe.yaml")
        self._log = SummaryWriter(out / "events", purge_step=step)
        self._steps = recipe.fit.steps
        total = recipe.fit.steps or round(60 * recipe.fit.minutes)
        self._bar = tqdm(
            total=total,
            initial=step if self._steps else min(round(spent), total),
            desc=f"fit {out.name}",
            unit="step" if self._steps else "s",
            disable=None,
        )

    def step(self, step: int, spent: float, loss, parts: dict) -> None:
        self._bar.n = min(step if self._steps else round(spent), self._bar.total)
        if step % 10 == 0:
            self._bar.set_postfix(step=step, loss=f"{float(loss):.4f}")
            self._log.add_scalar("loss", float(loss), step)
            for name, value in parts.items():
                self._log.add_scalar(f"part/{name}", float(value), step)

    def look(self, step: int, objective, samples, device) -> None:
        """Score the averaged weights on held-out samples, and picture the first ones."""
        objective.eval()
        with torch.no_grad():
            figures, pictures = objective.score(samples, device)
        for name, value in figures.items():
            self._log.add_scalar(f"held_out/{name}", value, step)
        for name, picture in pictures.items():
            self._log.add_image(name, picture, step)
        self._log.flush()
        self._bar.write(
            f"step {step}: held out " + ", ".join(f"{k} {v:.4f}" for k, v in figures.items())
        )

    def close(self) -> None:
        self._bar.close()
        self._log.close()


@contextmanager
def _interrupts():
    """Turn SIGINT and SIGTERM into a wish to stop after this step: a list that is not empty any
    more.
    """
    stopped: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        before = {s: signal.signal(s, lambda number, _: stopped.append(number)) for s in signals}
    except ValueError:  # not the main thread, where signals cannot be caught
        before = {}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deaf_worker(_: int) -> None:
    """Ctrl-C reaches the loading processes too: they must outlive it until the loop has finished
    its step.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _ema(decay: float):
    """Exponential moving average that forgets its random start: the decay grows to `decay` over
    the first steps.
    """

    def average(old, new, count):
        return old + (new - old) * max(1 - decay, float(1 / (1 + 0.2 * count)))

    return average


def _schedule(progress: float, step: int, cooldown: float) -> float:
    """Warm up over 100 steps or a twentieth of the cooldown, stay, then half a cosine to zero at
    the budget's end.
    """
    rise = min(1.0, max((step + 1) / _WARM_UP, 20 * progress))
    cooled = max(0.0, (min(progress, 1.0) - (1 - cooldown)) / cooldown)
    return rise * max(0.005, 0.5 + 0.5 * math.cos(math.pi * cooled))


def _resume(path: Path, state: dict, device) -> tuple[int, float]:
    if not path.exists():
        return 0, 0.0
    saved = torch.load(path, map_location=device, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(saved[name])
    tqdm.write(f"resume {path} at step {saved['step']}, {saved['spent'] / 60:.1f} min spent")
    return saved["step"], saved["spent"]


def _save(path: Path, state: dict, step: int, spent: float, last: bool = False) -> None:
    """Write aside and rename: a full disk or a kill leaves the one before whole.

    Only the last must succeed.
    """
    checkpoint = {"step": step, "spent": spent}
    for name, part in state.items():
        checkpoint[name] = part.state_dict()
    try:
        with replacing(path) as file:
            torch.save(checkpoint, file)
    except (OSError, RuntimeError) as error:  # torch raises RuntimeError where a write fails
        if last:
            raise
        tqdm.write(
            f"step {step}: the checkpoint could not be written ({error}); the one before "
            "is whole, training on"
        )
