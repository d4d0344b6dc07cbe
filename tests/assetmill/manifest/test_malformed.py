"""Every kind of mistake, each with the place, the path and the words that its author gets to see.

The manifests stand in tests/fixtures/manifests/malformed/, one text file for each kind. A case there is
a heading, what has to be said about it, and its files:

    ### name
    at: LINE:COLUMN PATH
    says: part of the message
    expects: part of what is expected
    nearest: the nearest valid name
    in: the file at fault, if it is not the manifest itself
    >>> game.yaml
    the manifest
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assetmill.cli.app import app
from assetmill.manifest import ManifestError, Problem, load_pack

MALFORMED = Path(__file__).parents[2] / "fixtures" / "manifests" / "malformed"
HEAD = "game: {id: g, title: G}\npack: {id: p, name: P}\n"
GROUPS = ("unknown", "value", "trap", "bound", "relation", "sheet", "matrix", "table", "include")


@dataclass(frozen=True)
class Case:
    """A manifest with one mistake, and where and how it is named."""

    line: int
    column: int
    path: str
    says: str
    files: dict[str, str] = field(default_factory=dict)
    expects: str = ""
    nearest: str = ""
    file: str = ""


def read_cases(group: str) -> dict[str, Case]:
    text = (MALFORMED / f"{group}.txt").read_text(encoding="utf-8")
    cases = {}
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        head, *bodies = re.split(r"^>>> ", part.strip("\n") + "\n", flags=re.MULTILINE)
        name, *lines = head.strip().splitlines()
        said = {key: value for key, _, value in (line.partition(": ") for line in lines)}
        place = re.fullmatch(r"(\d+):(\d+) ?(.*)", said["at"])
        assert place is not None, name
        cases[name] = Case(
            int(place[1]),
            int(place[2]),
            place[3],
            said["says"],
            {file: content for file, _, content in (body.partition("\n") for body in bodies)},
            said.get("expects", ""),
            said.get("nearest", ""),
            said.get("in", ""),
        )
    return cases


def long_list(count: int) -> str:
    return "[" + ", ".join(f"v{number}" for number in range(count)) + "]"


def made_cases() -> dict[str, Case]:
    """Manifests that are too large, too deep or too odd to be written down."""
    entity = HEAD + "assets:\n  - id: a\n    type: entity\n    prompt: x\n"
    laughs = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    axes = ", ".join(f"{axis}: {long_list(30)}" for axis in "abc")
    return {
        "empty file": Case(1, 1, "", "the file is empty", {"game.yaml": ""}),
        "prompt too long": Case(
            7, 22, "assets[0].negative_prompt", "the text is too long",
            {"game.yaml": entity + f"    negative_prompt: {'x' * 4001}\n"}, "at most 4000 characters",
        ),
        "control character": Case(4, 10, "", "U+0007", {"game.yaml": HEAD + "assets:\n  - id: a\x07b\n"}),
        "null byte in a table": Case(2, 2, "", "U+0000", {"game.csv": "id,type,prompt\na\x00,entity,x\n"}),
        "too deep": Case(1, 38, "game" + "[0]" * 31, "nested more than 32 deep", {"game.yaml": "game: " + "[" * 40}),
        "very deep": Case(1, 33, "[0]" * 32, "nested more than 32 deep", {"game.yaml": "[" * 200_000}),
        "billion laughs": Case(7, 8, "g[0]", "aliases swell the file", {"game.yaml": laughs}),
        "too many of a matrix": Case(
            7, 13, "assets[0].matrix", "27,000 assets", {"game.yaml": entity + f"    matrix: {{axes: {{{axes}}}}}\n"}
        ),
        "too large a file": Case(1, 1, "", "at most 5,000,000 are read", {"game.yaml": "#" * 5_000_001}),
    }  # fmt: skip


CASES = {f"{group}: {name}": case for group in GROUPS for name, case in read_cases(group).items()}
CASES |= {f"bound: {name}": case for name, case in made_cases().items()}


def write_files(case: Case, folder: Path) -> Path:
    """The case's files in a folder; the first one is the manifest."""
    for name, text in case.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder / next(iter(case.files))


def problems_in(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        load_pack(path)
    assert (caught.value.exit_code, caught.value.code) == (2, "manifest")
    return caught.value.problems


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_mistake_is_named_once_where_it_stands_and_says_what_is_right(case: Case, tmp_path: Path) -> None:
    path = write_files(case, tmp_path)
    problem, *others = problems_in(path)
    assert problem.file == str(tmp_path / (case.file or path.name)), str(problem)
    assert (problem.line, problem.column, problem.path) == (case.line, case.column, case.path), str(problem)
    assert case.says in problem.message, str(problem)
    assert case.expects in problem.expected, str(problem)
    assert problem.nearest == case.nearest, str(problem)
    assert others == [], "a misspelt or refused field is not called missing as well"


def test_there_are_malformed_manifests_of_every_kind() -> None:
    assert len(CASES) >= 60
    assert {name.split(":")[0] for name in CASES} == set(GROUPS)


def test_bytes_that_are_no_utf_8_are_located(tmp_path: Path) -> None:
    path = tmp_path / "game.yaml"
    path.write_bytes(HEAD.encode() + b"assets:\n  - {id: caf\xe9}\n")
    (problem,) = problems_in(path)
    assert (problem.line, problem.column) == (4, 13)
    assert "0xe9" in problem.message


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "game.csv"
    path.write_bytes("id,type,prompt\n".encode("utf-16"))
    assert "UTF-16" in problems_in(path)[0].message


def test_a_missing_manifest_and_a_folder_are_manifest_errors(tmp_path: Path) -> None:
    assert "cannot read" in problems_in(tmp_path / "none.yaml")[0].message
    assert "is not a file" in problems_in(tmp_path)[0].message


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "x.csv").write_text("id,type,prompt\na,entity,x\n", encoding="utf-8")
    (inside / "link").symlink_to(outside)
    (inside / "game.yaml").write_text(HEAD + "include: [link/x.csv]\n", encoding="utf-8")
    assert "leads out of the manifest's folder" in problems_in(inside / "game.yaml")[0].message


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "game.yaml"
    path.write_text(
        "game: {id: G, title: G}\n"
        "pack: {id: p, nam: P}\n"
        "styles: {a: {extends: b}, b: {extends: a}}\n"
        "defaults: {common: {candidates: 99}}\n"
        "assets:\n"
        "  - {id: one, type: entity, prompt: x, shape: bx}\n"
        "  - {id: one, type: background, prompt: x, candidates: 1}\n"
        "  - {id: two, type: background, prompt: x, size: big, candidates: 1}\n",
        encoding="utf-8",
    )
    problems = problems_in(path)
    places = [(problem.line, problem.path) for problem in problems]
    assert places == [
        (1, "game.id"),
        (2, "pack.nam"),
        (3, "styles.a.extends"),
        (3, "styles.b.extends"),
        (4, "defaults.common.candidates"),
        (6, "assets[0].shape"),
        (8, "assets[2].size"),
    ]


def test_an_error_in_defaults_is_one_error_however_many_assets_inherit_it(tmp_path: Path) -> None:
    path = tmp_path / "game.yaml"
    assets = "".join(f"  - {{id: a{number}, type: entity, prompt: x}}\n" for number in range(20))
    path.write_text(HEAD + "defaults: {entity: {height: -1}}\nassets:\n" + assets, encoding="utf-8")
    (problem,) = problems_in(path)
    assert (problem.line, problem.column, problem.path) == (3, 29, "defaults.entity.height")


def test_an_error_in_a_style_names_the_style_and_not_the_assets(tmp_path: Path) -> None:
    path = tmp_path / "game.yaml"
    path.write_text(
        HEAD + "styles: {soft: {strength: 2}}\nassets:\n  - {id: a, type: entity, prompt: x, style: soft}\n",
        encoding="utf-8",
    )
    (problem,) = problems_in(path)
    assert (problem.line, problem.path) == (3, "styles.soft.strength")


def test_a_problem_reads_like_a_compiler_message() -> None:
    problem = Problem("m.yaml", 12, 7, "assets[3].layout.colums", "unknown field", nearest="columns")
    assert str(problem) == "m.yaml:12:7: assets[3].layout.colums: unknown field; did you mean 'columns'?"
    problem = Problem("e.csv", 5, 3, "assets[3].width", "'x' does not belong here", "a number", column_name="width")
    assert str(problem) == "e.csv:5:3: assets[3].width: 'x' does not belong here (column 'width'); expected a number"


def test_the_error_prints_every_problem_and_gives_them_as_json() -> None:
    problems = [Problem("m.yaml", line, 1, f"assets[{line}]", "wrong") for line in (3, 1, 2)]
    error = ManifestError(problems)
    assert [problem.line for problem in error.problems] == [1, 2, 3]
    assert str(error).splitlines()[:3] == [str(problem) for problem in error.problems]
    assert "3 problems in m.yaml" in str(error)
    assert error.as_json()[0] == {
        "file": "m.yaml", "line": 1, "column": 1, "path": "assets[1]", "message": "wrong", "expected": "",
        "nearest": "", "column_name": "",
    }  # fmt: skip


def test_a_great_many_problems_are_counted_and_not_all_printed() -> None:
    error = ManifestError([Problem("m.yaml", line, 1, "", "wrong") for line in range(1, 201)])
    assert "... and 150 more" in str(error)
    assert len(error.problems) == 200


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_the_program_ends_with_2_and_shows_the_place_without_a_traceback(case: Case, tmp_path: Path) -> None:
    path = write_files(case, tmp_path)
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit), "anything else would have been a traceback"
    assert f"{tmp_path / (case.file or path.name)}:{case.line}:{case.column}:" in result.stderr
    assert result.stdout == ""
