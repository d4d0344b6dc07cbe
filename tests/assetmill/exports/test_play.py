"""In which order frames are shown."""

import pytest

from assetmill.exports.play import played
from assetmill.sheets.model import Animation, Direction


@pytest.mark.parametrize(
    ("direction", "loop", "frames", "shown"),
    (
        ("forward", True, "abcd", "abcd"),
        ("forward", False, "abcd", "abcd"),
        ("reverse", True, "abcd", "dcba"),
        ("pingpong", True, "abcd", "abcdcb"),
        ("pingpong", False, "abcd", "abcdcba"),
        ("pingpong", True, "ab", "ab"),
        ("pingpong", False, "ab", "aba"),
        ("pingpong", True, "a", "a"),
        ("pingpong", False, "a", "a"),
        ("reverse", True, "aab", "baa"),
    ),
)
def test_frames_come_in_the_order_of_play_and_no_end_twice_in_a_row(
    direction: Direction, loop: bool, frames: str, shown: str
) -> None:
    durations = tuple(10 * (ord(frame) - ord("a") + 1) for frame in frames)
    animation = Animation(
        name="go", frames=tuple(frames), durations_ms=durations, fps=10, loop=loop, direction=direction
    )
    steps = played(animation)
    assert "".join(step.frame for step in steps) == shown
    assert [step.duration_ms for step in steps] == [10 * (ord(frame) - ord("a") + 1) for frame in shown]
