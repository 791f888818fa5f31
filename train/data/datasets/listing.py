"""Frames as every reader of files gives them: a list of keys (sequence, number) and a function
that reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from depth_ros.core.errors import InputError
from train.data.view import View

Key = tuple[
    str, int
]  # a sequence, and the frame's number in it: neighbours in time have neighbouring numbers


class Listing:
    """Frames (see train.data.view) over keys; nothing is read from disk before it is asked for.

    keys: the frames that are counted. context: further frames that are only met as neighbours: they
    have indices of len(self) and above. read: gives the View of a key. name: of the data, for
    errors. Raises InputError where keys are empty.

    >>> frames = Listing([("a", 4)], read=lambda key: key, context=[("a", 5)], name="doc")
    >>> len(frames), frames.neighbour(0, 1), frames[1], frames.neighbour(0, -1)
    (1, 1, ('a', 5), None)
    """

    def __init__(
        self,
        keys: Iterable[Key],
        read: Callable[[Key], View],
        context: Iterable[Key] = (),
        name: str = "",
    ):
        keys = list(dict.fromkeys(keys))
        if not keys:
            raise InputError(f"{name}: expected frames, got none")
        self._length = len(keys)
        self._read = read
        self._keys = list(dict.fromkeys([*keys, *context]))
        self._index = {key: index for index, key in enumerate(self._keys)}

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> View:
        return self._read(self._keys[index])

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def neighbour(self, index: int, offset: int) -> int | None:
        """Return the index of the frame `offset` numbers later in the same sequence, None where
        there is none.
        """
        sequence, number = self._keys[index]
        return self._index.get((sequence, number + offset))


def time_part(items: Sequence, part: str) -> list:
    """Cut a sequence without official parts: the first 80 % train, the next 10 % val, the last 10 %
    test.

    Whole stretches of time, so that no frame of one part lies between two of another.

    >>> [time_part(range(10), part) for part in ("train", "val", "test")]
    [[0, 1, 2, 3, 4, 5, 6, 7], [8], [9]]
    """
    first = round(0.8 * len(items))
    second = round(0.9 * len(items))
    return list({"train": items[:first], "val": items[first:second], "test": items[second:]}[part])


def tenth_part(items: Sequence, part: str, test: bool = True) -> list:
    """Divide scenes that have no official parts: the 1st of every ten is val, the 2nd test, the
    others train.

    test=False: where the test scenes lie elsewhere, the 2nd is one of train's.

    >>> (
    ...     tenth_part("abcdefghijklm", "val"),
    ...     tenth_part("abc", "test"),
    ...     tenth_part("abc", "train", test=False),
    ... )
    (['a', 'k'], ['b'], ['b', 'c'])
    """
    chosen = {"val": (0,), "test": (1,), "train": tuple(range(2 if test else 1, 10))}[part]
    return [item for index, item in enumerate(items) if index % 10 in chosen]


def check_split(split: str, allowed: Sequence[str], name: str) -> str:
    """Return split, or the first allowed one where it is ""; raises InputError for one that is
    unknown.
    """
    if split and split not in allowed:
        raise InputError(
            f"{name}: expected a split out of {sorted(filter(None, allowed))}, got {split!r}"
        )
    return split or allowed[0]
