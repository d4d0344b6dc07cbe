"""Many small reads at once: most of the time of a small object is the way there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

READERS = 16

A = TypeVar("A")
T = TypeVar("T")


def in_threads(work: Callable[[A], T], subjects: Iterable[A]) -> list[T]:
    """Do something for many subjects at once; results are in the order of the subjects."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(work, subjects))
