"""What the property tests share: a loader that watches what reading a manifest does, and how often to try."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assetmill.manifest import ManifestError, Pack, Problem, load_pack
from assetmill.planning.history import NOTHING
from assetmill.planning.plan import Plan
from assetmill.planning.planner import make_plan
from assetmill.providers.endpoint import Endpoint
from assetmill.workflows.library import Library, load_library

MOST_CPU_S = 2.0
WARM = "game: {id: g, title: G}\npack: {id: p, name: P}\nassets: [{id: a, type: entity, prompt: x, wrong: 1}]\n"
DRAFT = Endpoint("draft", "draft", "", None, "draft-1", 3, Decimal(0), "local draft endpoint")
GPU = Endpoint("runpod", "runpod", "https://x.invalid/v2/e", None, "flux", 3, Decimal("0.0003"), "list price")


@dataclass
class Watch:
    """What the interpreter did for one thread while somebody watched: an audit hook cannot be taken off again."""

    thread: int = 0
    seen: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.thread == threading.get_ident():
            self.seen.append((event, arguments))

    @contextmanager
    def watching(self) -> Iterator[list[tuple[str, tuple[Any, ...]]]]:
        self.seen = []
        self.thread = threading.get_ident()
        try:
            yield self.seen
        finally:
            self.thread = 0


class Judge:
    """Loads manifests written into one folder, and checks what holds for every one of them."""

    def __init__(self, folder: Path, watch: Watch, library: Library) -> None:
        self.folder = folder
        self.watch = watch
        self.library = library

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return path

    def load(
        self, name: str, content: str | bytes, files: Mapping[str, str | bytes] | None = None, **overrides: Any
    ) -> Pack | ManifestError:
        """The pack or the error; anything else, and anything odd on the way, fails the test."""
        path = self.write(name, content)
        for file, body in (files or {}).items():
            self.write(file, body)
        began = time.process_time()
        with self.watch.watching() as seen:
            try:
                result: Pack | ManifestError = load_pack(path, overrides)
            except ManifestError as error:
                result = error
        assert time.process_time() - began < MOST_CPU_S
        self._check_deeds(seen)
        if isinstance(result, ManifestError):
            self._check_words(result)
        return result

    def plan(self, pack: Pack, *, paid: bool = False) -> Plan:
        return make_plan(pack, NOTHING, GPU if paid else DRAFT, self.library)

    def _check_deeds(self, seen: list[tuple[str, tuple[Any, ...]]]) -> None:
        for event, arguments in seen:
            if event == "object.__getattr__":  # of frames, by hypothesis when it explains a failure
                continue
            assert event == "open", f"reading a manifest did {event}{arguments!r:.200}"
            assert Path(arguments[0]).resolve().is_relative_to(self.folder), f"opened {arguments[0]}"
            assert arguments[1] in ("r", "rb"), f"opened with {arguments[1]}"

    def _check_words(self, error: ManifestError) -> None:
        assert error.problems
        assert len(str(error)) < 200_000
        for problem in error.problems:
            assert problem.message.strip()
            assert "\n" not in problem.file
            self._check_place(problem)

    def _check_place(self, problem: Problem) -> None:
        assert problem.line >= 1
        assert problem.column >= 1
        path = Path(problem.file)
        text = path.read_bytes().decode("utf-8-sig", "replace") if path.is_file() else ""
        table = path.suffix in (".csv", ".tsv")
        # An editor may count U+2028 and its like as the ends of lines, as YAML does, or not.
        views = (text.splitlines() or [""], text.split("\n"), re.split("\r\n|\r|\n", text))
        assert any(_stands_in(problem, lines, table=table) for lines in views), f"no such place: {problem!s:.300}"


def _stands_in(problem: Problem, lines: list[str], *, table: bool) -> bool:
    """Whether a file has such a place; of a table it is a cell, or a character that no table may have."""
    if problem.line > len(lines):
        return False
    if table:  # a row may go on for many lines
        cells = 2 + sum(len(re.findall("[,;\t]", line)) for line in lines[problem.line - 1 :])
        if problem.column <= cells:
            return True
    return problem.column <= len(lines[problem.line - 1]) + 1


@pytest.fixture(scope="session")
def judge(tmp_path_factory) -> Judge:
    watch = Watch()
    sys.addaudithook(watch.hook)
    folder = tmp_path_factory.mktemp("inside").resolve()
    (folder.parent / "outside.csv").write_text("id,type,prompt\nstolen,entity,x\n", encoding="utf-8")
    made = Judge(folder, watch, load_library())
    for name, text in (("warm.yaml", WARM), ("warm.csv", "id,type,prompt,wrong\na,entity,x,1\n")):
        with pytest.raises(ManifestError):  # so that nothing is imported while it is watched
            load_pack(made.write(name, text))
    return made
