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
from train.recipe import Fit, Recipe

_WARM_UP = 100  # steps
_MOST_NOT_FINITE = 10  # gradients in a row


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
    """Train until the recipe's budget is spent; resumes from out/checkpoint.pt if it is there.

    Writes out/checkpoint.pt (weights, averaged weights, optimiser, step, seconds), out/recipe.yaml
    and TensorBoard events with pictures. A kill, a full disk or an error loses at most checkpoint_s
    seconds and never a checkpoint; an interrupt (Ctrl-C, SIGTERM) loses nothing. A gradient that is
    not finite skips the step.

    Args:
        recipe: Everything that decides the training.
        out: Run folder.
        frames: train.data.view.Frames to train on, instead of what the recipe reads.
        held_out: Frames to score on, instead of what the recipe reads.
        init: Weights to start from, by name; see start_from.

    Returns:
        The path of the checkpoint.

    Raises:
        InputError: Where the data or the weights do not fit the recipe; nothing is written then.
        RuntimeError: After ten gradients in a row that are not finite.
    """
    options = recipe.fit
    fabric = make_fabric()
    fabric.launch()
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)

    # 1. Networks and losses.
    objective = make_objective(recipe)
    if recipe.task != "stereo":
        # Twice as fast, on a CPU too; a tenth slower where few channels are gathered.
        objective = objective.to(memory_format=torch.channels_last)
    if init:
        start_from(objective, init)

    # 2. Data: what is wrong with it is reported before anything is written.
    data = objective.samples("train", frames)
    held_out = objective.samples("val", held_out)

    # 3. The optimiser, and weights averaged over the steps: they are what is exported.
    average = torch.optim.swa_utils.AveragedModel(
        objective, avg_fn=_ema(options.ema), use_buffers=True
    )
    average.to(fabric.device)
    optimizer = torch.optim.AdamW(
        objective.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    compiled = torch.compile(objective) if options.compile else objective
    net, optimizer = fabric.setup(compiled, optimizer)

    # 4. Go on where the checkpoint of this run ended, with the batches that follow.
    checkpoint = out / "checkpoint.pt"
    state = {"net": objective, "average": average, "optimizer": optimizer}
    step, spent = _resume(checkpoint, state, fabric.device)
    loader = _make_loader(fabric, data, recipe, step)
    board = _Board(out, recipe, step, spent) if fabric.is_global_zero else None

    begin = time.monotonic() - spent
    saved = time.monotonic()
    scored = time.monotonic()
    not_finite = 0
    with _interrupts() as stopped:
        for batch in loader:
            # A resumed step is the same step: its random numbers and its learning rate follow
            # from its number and the time spent.
            torch.manual_seed(hash((options.seed, step, fabric.global_rank)) % 2**63)
            rate = options.learning_rate * _schedule(_progress(options, step, spent), step, options)
            for group in optimizer.param_groups:
                group["lr"] = rate

            objective.train()
            loss, parts = net(batch)
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(loss)
            norm = torch.nn.utils.clip_grad_norm_(objective.parameters(), options.clip_norm)

            if torch.isfinite(norm):
                not_finite = 0
                optimizer.step()
                average.update_parameters(objective)
            else:
                not_finite += 1
            if not_finite >= _MOST_NOT_FINITE:
                raise RuntimeError(
                    f"step {step}: ten gradients in a row were not finite; the last "
                    "checkpoint is good"
                )

            # The first process decides for all of them when it is over; an interrupt ends each.
            step += 1
            spent = time.monotonic() - begin
            done = fabric.broadcast(_progress(options, step, spent) >= 1) or bool(stopped)

            if board:
                board.step(step, spent, loss.detach(), parts)
                if done or time.monotonic() - saved > options.checkpoint_s:
                    _save(checkpoint, state, step, spent, last=done)
                    saved = time.monotonic()
                if done or time.monotonic() - scored > options.score_s:
                    board.look(step, average.module, held_out, fabric.device)
                    scored = time.monotonic()
            if done:
                break
    if board:
        board.close()
    fabric.barrier()
    return checkpoint


def _make_loader(fabric: Fabric, data, recipe: Recipe, step: int):
    """The batches from a step on, of this process, as tensors on its device."""
    batches = StepBatches(data, recipe, step, fabric.global_rank, fabric.world_size)
    loader = DataLoader(
        data,
        batch_sampler=batches,
        num_workers=recipe.fit.workers,
        pin_memory=fabric.device.type != "cpu",
        worker_init_fn=_ignore_signals,
    )
    return fabric.setup_dataloaders(loader, use_distributed_sampler=False)


def _progress(options: Fit, step: int, spent: float) -> float:
    """Share of the budget that is spent: of the steps, or of the minutes where no steps are set."""
    if options.steps:
        return step / options.steps
    return spent / (60 * options.minutes)


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


def _ignore_signals(_: int) -> None:
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


def _schedule(progress: float, step: int, options: Fit) -> float:
    """Warm up over 100 steps or a twentieth of the budget, stay, then half a cosine to zero at the
    budget's end.
    """
    rise = min(1.0, max((step + 1) / _WARM_UP, 20 * progress))
    begin = 1 - options.cooldown
    cooled = max(0.0, (min(progress, 1.0) - begin) / options.cooldown)
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
