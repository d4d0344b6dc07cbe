"""The lock is read strictly and written in one spelling."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from assetmill.errors import UsageError
from assetmill.workerimage import read_lock, render_lock

LOCK = Path(__file__).parents[3] / "runpod-worker" / "models.lock"


def test_the_lock_is_spelled_as_it_is_written():
    assert render_lock(read_lock(LOCK)) == LOCK.read_text(encoding="utf-8")


def test_any_text_survives_being_written(tmp_path):
    lock = read_lock(LOCK)
    odd = lock.model[0].model_copy(update={"licence": 'a "quote", a \\, a\ttab,\n\x7f and ü 🎨'})
    path = tmp_path / "models.lock"
    path.write_text(render_lock(lock.model_copy(update={"model": [odd]})), encoding="utf-8")
    assert read_lock(path).model == [odd]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    (
        ('tag = "5.8.5-base"\n', "", "base.tag"),
        ("size = 17246524772", 'size = "17246524772"', "model.0.size"),
        ("size = 17246524772", "bytes = 17246524772", "model.0.bytes"),
        ('place = "image"', 'place = "moon"', "model.1.place"),
        ("[base]", "[base", "line"),
    ),
)
def test_what_is_no_lock_is_refused_with_the_place(tmp_path, old, new, said):
    path = tmp_path / "models.lock"
    path.write_text(LOCK.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        read_lock(path)


def test_a_lock_that_is_not_there_is_said():
    with pytest.raises(UsageError, match="cannot read"):
        read_lock(Path("nowhere/models.lock"))


def test_the_steps_of_the_build_read_it_with_python_alone():
    lock = tomllib.loads(LOCK.read_text(encoding="utf-8"))
    assert {model["set"] for model in lock["model"]} == {"core", "layered"}
