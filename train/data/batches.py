"""Which samples a step takes: decided by its number alone, so that a resumed run sees what it
would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch.utils.data import Dataset

from depth_ros.core.errors import InputError
from train.recipe import Recipe

_SCORED = 24  # held-out samples of a look, spread evenly


class Sizes(Dataset):
    """The same samples at several crop sizes. A key is (which size, index, epoch)."""

    def __init__(self, samples: Sequence[Dataset]):
        self.samples = list(samples)

    def __len__(self) -> int:
        return len(self.samples[0])

    def __getitem__(self, key: tuple[int, int, int]) -> dict[str, torch.Tensor]:
        size, index, epoch = key
        return self.samples[size][index, epoch]


class StepBatches:
    """Endless batches of keys for Sizes, from step `first` on; each process gets its share of every
    batch.

    A batch is recipe.fit.batch samples over all processes, all of one size, drawn without
    repetition within an epoch. Raises InputError where the samples do not fill a batch, or the
    batch does not divide among the processes.
    """

    def __init__(
        self, samples: Sizes, recipe: Recipe, first: int = 0, rank: int = 0, world: int = 1
    ):
        self._count = len(samples)
        self._sizes = len(samples.samples)
        self._fit = recipe.fit
        self._first = first
        self._rank = rank
        self._world = world
        if self._fit.batch % world:
            raise InputError(
                f"recipe fit.batch: expected a multiple of {world} processes, got {self._fit.batch}"
            )
        if self._count < self._fit.batch:
            raise InputError(
                f"expected at least fit.batch = {self._fit.batch} samples, got {self._count}"
            )

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        step = self._first
        while True:
            yield self.keys(step)[self._rank :: self._world]
            step += 1

    def keys(self, step: int) -> list[tuple[int, int, int]]:
        """Return the keys of one step, over all processes."""
        batch = self._fit.batch
        epoch, position = divmod(step, self._count // batch)
        chosen = _order(self._count, self._fit.seed, epoch)[
            position * batch : (position + 1) * batch
        ]
        generator = torch.Generator().manual_seed(1_000_003 * self._fit.seed + step)
        size = int(torch.randint(self._sizes, (), generator=generator))
        return [(size, index, epoch) for index in chosen]


@lru_cache(maxsize=2)
def _order(count: int, seed: int, epoch: int) -> list[int]:
    """The order of an epoch."""
    return torch.randperm(
        count, generator=torch.Generator().manual_seed(7919 * seed + epoch)
    ).tolist()


def held_out_keys(samples: Sizes, most: int = _SCORED) -> list[tuple[int, int, int]]:
    """Return keys of evenly spread samples, each of the first size, to be scored."""
    step = max(1, len(samples) // most)
    return [(0, index, 0) for index in range(0, len(samples), step)][:most]
