"""The runbook can be followed: its commands parse, its links lead somewhere, its variables and files are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest
import typer

from assetmill.cli.app import app
from assetmill.settings import Settings, variables_of

ROOT = Path(__file__).parents[1]
RUNBOOK = ROOT / "docs" / "runbook.md"
PAGES = (RUNBOOK, ROOT / "docs" / "doctor.md")
FENCED = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
VARIABLE = re.compile(r"\b((?:ASSETMILL|SCENARIO|COMFYUI|R2)_[A-Z0-9_]+|RUNPOD_(?:API|COMFYUI|MANAGEMENT)_[A-Z_]+)\b")
FOLDERS = (
    "runpod-worker/",
    "docs/",
    ".github/",
    "workflows/",
    "deploy/",
    "manifests/",
    "assetmill/",
    "tests/",
    "bench/",
)
SET = re.compile(r"[A-Z][A-Z0-9_]*=.*")
OPERATORS = frozenset({"|", "||", "&&", ";", ">", ">>", "<", "&"})
ELSEWHERE = frozenset({"ASSETMILL_PREFETCH"})
"""Variables that the worker image reads, and not assetmill."""


def code_lines(text: str) -> Iterator[str]:
    """Commands of code blocks: of one that shows what comes out only its lines that begin with a `$`."""
    for block in FENCED.findall(text):
        lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
        called = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        yield from called or lines


def calls(text: str) -> Iterator[list[str]]:
    """Arguments of every call of assetmill: in code blocks, and in the words between them."""
    for line in (*code_lines(text), *mentions(text)):
        for words in commands(line):
            call = list(dropwhile(SET.fullmatch, words))  # without variables that are set for it
            if call and Path(call[0]).name == "assetmill":
                yield call[1:]


def mentions(text: str) -> Iterator[str]:
    """Calls in the words between code blocks; one that only names a command is a name, and no call."""
    for span in INLINE.findall(FENCED.sub("", text)):
        if span.startswith("assetmill ") and not re.fullmatch(r"assetmill (plan|run)", span):
            yield span


def commands(line: str) -> Iterator[list[str]]:
    """The simple commands of a line of shell; none where it is output, and no shell."""
    if "assetmill" not in line:
        return
    reader = shlex.shlex(line, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = "#"
    try:
        words = list(reader)
    except ValueError:  # a quote in the words of an output
        return
    part: list[str] = []
    for word in words:
        if word in OPERATORS:
            yield part
            part = []
        else:
            part.append(word)
    yield part


@pytest.fixture(scope="module")
def program() -> Any:
    """All commands; put together once, because that takes a while."""
    return typer.main.get_command(app)


def parse(program: Any, words: list[str]) -> None:
    """Read arguments as the program would, without running anything.

    Raises:
        ValueError: the program would not take them.
    """
    command, context = program, None
    try:
        while True:
            context = command.make_context(command.name or "assetmill", list(words), parent=context)
            if not hasattr(command, "resolve_command"):
                return
            words = [*context._protected_args, *context.args]
            _, command, words = command.resolve_command(context, words)
    except Exception as error:
        told = getattr(error, "format_message", None)  # typer brings its own click, or takes the one that is there
        if told is None:
            raise
        raise ValueError(f"{told() or 'help is shown'}") from error


def anchors(page: Path) -> set[str]:
    """What a page can be entered at, as its host writes headings into addresses."""
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(page.read_text()))
    return {word.strip().replace(" ", "-") for word in words}


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def page(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_every_call_of_assetmill_parses(page: Path, program: Any) -> None:
    found = list(calls(page.read_text()))
    assert found, "the page has calls"
    for words in found:
        try:
            parse(program, words)
        except ValueError as error:
            pytest.fail(f"assetmill {shlex.join(words)}: {error}")


def test_a_call_that_the_program_would_not_take_is_found(program: Any) -> None:
    block = "```\n$ FOO=1 assetmill smoke --nonsense && assetmill doctr\n```\n"
    text = f"{block}and `assetmill plan x.yaml`, an `assetmill plan`\n"
    assert list(calls(text)) == [["smoke", "--nonsense"], ["doctr"], ["plan", "x.yaml"]]
    for wrong in (
        ["doctor", "--nonsense"],
        ["plan"],
        ["doctr"],
        ["pack", "nonsense"],
        ["pack"],
        ["serve", "--port", "x"],
    ):
        with pytest.raises(ValueError, match=r"\w"):
            parse(program, wrong)
    parse(program, ["doctor", "--json"])
    parse(program, ["pack", "rollback", "my-game", "--steps", "2"])


def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCED.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_every_file_and_make_target_that_is_named_is_there(page: Path) -> None:
    text = page.read_text()
    spans = INLINE.findall(FENCED.sub("", text))
    for span in spans:
        path = span.split("::")[0]
        if path.startswith(FOLDERS) and not set(path) & set(" <>*{}…"):
            assert (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in (*code_lines(text), *spans):
        words = line.split()
        if words[:1] == ["make"] and len(words) > 1:
            assert words[1] in targets, line


def test_every_variable_that_is_named_is_read_by_somebody(page: Path) -> None:
    known = {variable for name in Settings.model_fields for variable in variables_of(name)} | ELSEWHERE
    assert set(VARIABLE.findall(page.read_text())) <= known
