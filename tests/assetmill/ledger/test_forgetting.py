"""Finishes whose files are about to go are forgotten; attempts and what others need never are."""

from typing import Any

import pytest

from assetmill.ledger import Finish, Output

SHEET = "blobs/cc/cc.json"


def finish(books: Any, attempt_id: str, shape: str, *files: str, sheet: str | None = None) -> None:
    outputs = tuple(Output(f"role-{n}", key, "ab" * 32, 1, 1, 1) for n, key in enumerate(files))
    books.ledger.record_finish(
        Finish(attempt_id, shape, "cloud-hop", "run-1", outputs, sheet, {}, {"rejected": None}, books.t0)
    )


@pytest.mark.parametrize(
    ("gone", "left"),
    (
        ((), ["one", "two", "three", "four"]),
        (("blobs/xx/unknown.png",), ["one", "two", "three", "four"]),
        (("blobs/aa/a.png",), ["two", "four"]),
        (("blobs/bb/b.png",), ["one", "four"]),
        ((SHEET,), ["one", "two", "three"]),
        (("blobs/aa/a.png", SHEET), ["two"]),
    ),
)
def test_exactly_the_finishes_that_name_a_file_are_forgotten(books: Any, gone: tuple[str, ...], left: list[str]):
    books.keep("a1")
    books.keep("a2")
    finish(books, "a1", "one", "blobs/aa/a.png")
    finish(books, "a1", "two", "blobs/bb/b.png")
    finish(books, "a2", "three", "blobs/bb/b.png", "blobs/aa/a.png")
    finish(books, "a2", "four", "blobs/dd/d.png", sheet=SHEET)
    rows = books.ledger.rows()
    assert books.ledger.forget_finishes(gone) == 4 - len(left)
    assert [shape for _, shape in books.ledger.finishes("cloud-hop")] == left
    assert books.ledger.rows() == rows
    assert books.ledger.forget_finishes(gone) == 0


def test_a_finish_that_was_forgotten_can_be_written_down_again(books: Any):
    books.keep("a1")
    finish(books, "a1", "one", "blobs/aa/a.png")
    books.ledger.forget_finishes({"blobs/aa/a.png"})
    assert books.ledger.verdicts("cloud-hop") == {}
    finish(books, "a1", "one", "blobs/aa/a.png")
    assert books.ledger.verdicts("cloud-hop") == {("a1", "one"): None}
