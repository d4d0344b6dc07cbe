"""A figure that is not known exactly: what it is at least, what is counted on, and what it is at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Low, estimate and high of a duration in seconds, or of a factor."""

    low: float
    estimate: float
    high: float

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.estimate + other.estimate, self.high + other.high)

    def __mul__(self, other: Span) -> Span:
        return Span(self.low * other.low, self.estimate * other.estimate, self.high * other.high)

    def times(self, count: float) -> Span:
        """That many of it, one after the other."""
        return Span(self.low * count, self.estimate * count, self.high * count)

    @property
    def parts(self) -> tuple[float, float, float]:
        """Low, estimate, high."""
        return self.low, self.estimate, self.high


NO_TIME = Span(0, 0, 0)
SAME = Span(1, 1, 1)
