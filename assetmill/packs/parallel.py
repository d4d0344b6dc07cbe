"""Many small requests at once: most of the time of a small object is the way there and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 32  # fewer than the 64 connections that a store keeps open

A = TypeVar("A")
T = TypeVar("T")


def in_threads(work: Callable[[A], T], subjects: Iterable[A], *, at_once: int = AT_ONCE) -> list[T]:
    """Do something for many subjects at once; results are in the order of the subjects.

    Where one fails, those that have not begun never do, and its error is raised.
    """
    todo = list(subjects)
    if len(todo) <= 1:
        return [work(subject) for subject in todo]
    with ThreadPoolExecutor(min(at_once, len(todo)), thread_name_prefix="packs") as pool:
        return list(pool.map(work, todo))
