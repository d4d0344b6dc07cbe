"""Whatever stands in a manifest, reading it ends in a pack or in located words, soon, and does nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assetmill.errors import AssetmillError
from assetmill.manifest import ManifestError, Pack
from assetmill.manifest.limits import MAX_PROBLEMS

HEAD = "game: {id: g, title: G}\npack: {id: p, name: P}\n"
ASSET = "assets: [{id: a, type: entity, prompt: x}]\n"
FIELDS = (
    "id", "type", "prompt", "style", "size", "width", "height", "points", "tags", "shape", "layout", "layout.columns",
    "silhouette.canvas", "post.trim", "matrix", "matrix.axes.n", "matrix.include", "tiles", "tiles.0", "states",
    "animations", "animations.run.frames", "references", "version", "game", "pack", "styles", "defaults", "include",
    "assets", "candidates", "enabled", "tileWidth", "promptConfig", "tileOverrides", "gameId", "extends", "overrides.a",
)  # fmt: skip
SCALARS = (
    "", "x", "entity", "sheet", "parallax", "a b", "64x64", "1", "-1", "010", "0x1F", "0o17", "0b_", "1:30", "1_000",
    "1e999", "1" * 500, ".nan", "-.inf", "no", "~", "null", "2026-02-31", "#fff", "'#00ff00'", "'", '"', '"\\x00"',
    '"\\ud800"', "{n}", "'{n}'", "*a", "&a x", "!!binary aGk=", "!!python/object/apply:os.system ['true']",
    "!!python/name:os.system", "!x y", "|", ">-", "@", "`", "%", "? ", "[1, 2]", "{a: b}", "[", "]", "{", "}", "é",
    "\u2028", "\x85", "\ufeff", "\u202e", "\U0001f47e", "../outside.csv", "/etc/hostname", "..", "b.csv", "b.yaml",
)  # fmt: skip
MARKS = (
    ": ", ":", "- ", "\n", "\n  ", "\n    ", "\n- ", "\n\t", "\t", "\r\n", "\r", " ", ", ", ",", ";", "# ", "#@ ",
    "---\n", "...\n", "%YAML 1.1\n", "<<: ", "\x00", "\x1b", "\ud800", "\uffff", "sep=;\n", '"', "|", "\\",
)  # fmt: skip

pieces = st.sampled_from((*FIELDS, *SCALARS, *MARKS, HEAD, ASSET)) | st.text(max_size=6)
texts = st.lists(pieces, max_size=25).map("".join)
encoded = st.one_of(
    texts.map(lambda text: text.encode("utf-8", "surrogatepass")),
    texts.map(lambda text: ("\ufeff" + text).encode("utf-8", "surrogatepass")),
    texts.map(lambda text: text.encode("utf-16", "surrogatepass")),
    texts.map(lambda text: text.encode("latin-1", "replace")),
    st.binary(max_size=200),
)
lines = st.tuples(st.sampled_from(("", "  ", "    ", "- ", "  - ", "\t")), st.sampled_from(FIELDS), pieces)
blocks = st.lists(lines, max_size=12).map(lambda rows: "".join(f"{dent}{key}: {value}\n" for dent, key, value in rows))
cells = st.sampled_from(SCALARS) | st.text(max_size=6)
tables = st.tuples(
    st.lists(st.sampled_from(("#@ pack.seed: 3", "#@ styles.a.extends: flat", "#@", "# c", "sep=;", "")), max_size=3),
    st.lists(st.sampled_from(FIELDS) | pieces, max_size=7),
    st.lists(st.lists(cells, max_size=7), max_size=5),
    st.sampled_from((",", ";", "\t")),
    st.sampled_from(("\n", "\r\n", "\r")),
).map(lambda t: t[4].join([*t[0], t[3].join(("id", "type", "prompt", *t[1])), *(t[3].join(row) for row in t[2])]))


@pytest.fixture(scope="module")
def reads(judge):
    """Loads a text, and plans it if it is a pack."""

    def run(name, content, files=None):
        result = judge.load(name, content, files)
        if isinstance(result, Pack):
            plan_or_project_error(judge, result)

    return run


def plan_or_project_error(judge, pack):
    for paid in (False, True):
        try:
            judge.plan(pack, paid=paid)
        except AssetmillError:
            continue


@given(content=encoded, suffix=st.sampled_from(("yaml", "yml", "csv", "tsv", "txt")))
def test_any_bytes_are_a_pack_or_located_problems(reads, content, suffix):
    reads(f"any.{suffix}", content)


@given(before=st.sampled_from(("", HEAD, HEAD + ASSET)), text=blocks)
def test_any_keys_and_values_are_a_pack_or_located_problems(reads, before, text):
    reads("keys.yaml", before + text)


@given(text=texts, indent=st.sampled_from((" ", "\n    ", "\n      - ", " [", " {", " |\n      ", " > ")))
@settings(max_examples=settings().max_examples // 2)
def test_any_text_in_the_place_of_any_field_is_a_pack_or_located_problems(reads, text, indent):
    for field in ("prompt", "matrix", "layout"):
        reads("field.yaml", f"{HEAD}assets:\n  - id: a\n    type: sheet\n    {field}:{indent}{text}\n")


@given(text=tables)
def test_any_table_is_a_pack_or_located_problems(reads, text):
    reads("table.csv", text)


@given(name=st.sampled_from(SCALARS) | st.text(max_size=12), yaml=encoded, table=tables)
@example(name="../outside.csv", yaml=b"", table="")
@example(name="sub/../../outside.csv", yaml=b"", table="")
def test_whatever_is_included_nothing_outside_the_folder_is_read(judge, name, yaml, table):
    listed = "'" + name.replace("'", "''") + "'"
    text = f"{HEAD}include: [{listed}, b.csv, b.yaml]\n{ASSET}"
    result = judge.load("include.yaml", text, {"b.csv": table, "b.yaml": yaml})
    if isinstance(result, Pack):
        assert "stolen" not in {asset.id for asset in result.assets}


def each(count, line):
    return "".join(line.format(i=i, next=i + 1) for i in range(count))


ONE = "  - {{id: a{i}, type: entity, prompt: x, "
GROWING = {
    "brackets": lambda n: HEAD + "assets: " + "[" * n,
    "braces": lambda n: HEAD + "assets: " + "{a: " * n,
    "closed brackets": lambda n: HEAD + "assets: " + "[" * n + "]" * n,
    "dashes": lambda n: HEAD + "assets:\n" + "- " * n + "x\n",
    "question marks": lambda n: HEAD + "? " * n,
    "indentation": lambda n: HEAD + "".join(" " * i + "a:\n" for i in range(min(n, 2_000))),
    "anchors within anchors": lambda n: HEAD + "assets: " + "".join(f"&a{i} [" for i in range(n)),
    "laughs": lambda n: "a0: &a0 [x, x]\n" + each(n, "a{next}: &a{next} [*a{i}, *a{i}]\n"),
    "aliases": lambda n: HEAD + "a: &a x\nassets: [" + "*a, " * n + "]\n",
    "one key again and again": lambda n: HEAD + ASSET + "seed: 1\n" * n,
    "unknown keys": lambda n: HEAD + ASSET + each(n, "kandidates{i}: 1\n"),
    "a long key": lambda n: HEAD + f'"{"kandidates" * n}": 1\n',
    "a long type": lambda n: HEAD + f"assets: [{{id: a, type: {'entity' * n}, prompt: x}}]\n",
    "a long number": lambda n: HEAD + f"assets: [{{id: a, type: entity, prompt: x, width: {'9' * n}}}]\n",
    "unknown types": lambda n: HEAD + "assets:\n" + each(n, "  - {{id: a{i}, type: entitee, prompt: x}}\n"),
    "wrong values": lambda n: HEAD + "assets:\n" + each(n, ONE + "width: -1, shape: bux}}\n"),
    "one id for all": lambda n: HEAD + "assets:\n" + each(n, "  - {{id: a, type: entity, prompt: x}}\n"),
    "references in a row": lambda n: HEAD + "assets:\n" + each(min(n, 2_000), ONE + "references: [a{next}]}}\n"),
    "references in a ring": lambda n: (
        HEAD + "assets:\n" + each(min(n, 2_000), ONE + "references: [a{next}]}}\n") + ONE.format(i=min(n, 2_000))
        + "references: [a0]}\n"
    ),
    "references to nothing": lambda n: HEAD + "assets:\n" + each(min(n, 2_000), ONE + "references: [a{i}x]}}\n"),
    "styles in a row": lambda n: HEAD + ASSET + "styles:\n" + each(n, "  s{i}: {{extends: s{next}}}\n"),
    "styles of nothing": lambda n: HEAD + ASSET + "styles:\n" + each(n, "  s{i}: {{extends: s{i}x}}\n"),
    "axes": lambda n: (
        HEAD + "assets:\n  - {id: a, type: entity, prompt: x, matrix: {axes: {" + each(n, "a{i}: [1], ") + "}}}\n"
    ),
    "axes that multiply": lambda n: (
        HEAD + "assets:\n  - {id: a, type: entity, prompt: x, matrix: {axes: {" + each(n, "a{i}: [1, 2], ") + "}}}\n"
    ),
    "a long text in a matrix": lambda n: (
        HEAD + "assets:\n  - {id: a, type: entity, prompt: '" + "{n}" * n + "', matrix: {axes: {n: [" + "1, " * n
        + "]}}}\n"
    ),
    "states": lambda n: (
        HEAD + "assets:\n  - {id: a, type: sheet, prompt: x, kind: ui_component, component: button, "
        "layout: {columns: 1, rows: 1, cell: 8x8}, states: [" + "normal, " * n + "]}\n"
    ),
    "overrides of nothing": lambda n: (
        HEAD + "assets:\n  - {id: a, type: sheet, prompt: x, kind: sprite, layout: {columns: 64, rows: 64, cell: 8x8},"
        f" animations: {{{each(min(n, 64), 'run{i}: {{frames: 64}}, ')}}}, overrides: {{{each(n, 'ru{i}: x, ')}}}}}\n"
    ),
}  # fmt: skip
NESTING = ("brackets", "braces", "closed brackets", "dashes", "question marks", "anchors within anchors", "laughs")
GROWING_TABLES = {
    "columns": lambda n: f"id,type,prompt,{each(n, 'kandidates{i},')}\na,entity,x{',' * n}\n",
    "columns that nest": lambda n: f"id,type,prompt,{each(n, 'overrides.a{i},')}\na,entity,x{',' * n}\n",
    "steps of a column": lambda n: f"id,type,prompt,{'overrides.' * n}x\na,entity,x,1\n",
    "steps of a setting": lambda n: f"#@ {'styles.' * n}x: 1\nid,type,prompt\na,entity,x\n",
    "settings": lambda n: each(n, "#@ styles.s{i}.extends: s{next}\n") + "id,type,prompt\na,entity,x\n",
    "quotes": lambda n: 'id,type,prompt\na,entity,"' + '""' * n,
    "rows in one cell": lambda n: 'id,type,prompt\na,entity,"' + "x\n" * n,
    "ragged rows": lambda n: "id,type,prompt\n" + "a,entity\n" * n,
    "a long cell": lambda n: f"id,type,prompt\na,entity,{'long ' * 50 * n}\n",
    "parts of a cell": lambda n: f"id,type,prompt,tags\na,entity,x,{'|' * n}\n",
}


@pytest.mark.parametrize("shape", NESTING)
@given(count=st.integers(10, 5_000))
@settings(max_examples=max(1, settings().max_examples // 50))
@example(count=5_000)
def test_nesting_however_deep_is_judged_in_two_seconds(judge, shape, count):
    judge.load("grows.yaml", GROWING[shape](count))


@pytest.mark.parametrize("shape", [shape for shape in GROWING if shape not in NESTING])
@given(count=st.integers(10, 2_000))
@settings(max_examples=max(1, settings().max_examples // 100))
@example(count=600)
def test_a_manifest_that_grows_in_one_way_is_judged_in_two_seconds(judge, shape, count):
    judge.load("grows.yaml", GROWING[shape](count))


@pytest.mark.parametrize("shape", GROWING_TABLES)
@given(count=st.integers(10, 2_000))
@settings(max_examples=max(1, settings().max_examples // 100))
@example(count=600)
def test_a_table_that_grows_in_one_way_is_judged_in_two_seconds(judge, shape, count):
    judge.load("grows.csv", GROWING_TABLES[shape](count))


def test_the_judge_sees_what_a_manifest_must_never_do(judge):
    outside = judge.folder.parent / "outside.csv"
    with judge.watch.watching() as seen:
        outside.read_text(encoding="utf-8")
    with pytest.raises(AssertionError, match="opened"):
        judge._check_deeds(seen)
    with judge.watch.watching() as seen:
        compile("1", "<made up>", "eval")
    with pytest.raises(AssertionError, match="compile"):
        judge._check_deeds(seen)


def test_files_are_bounded_before_they_are_read(judge):
    result = judge.load("big.yaml", b"a: 1\n" * 1_000_001)
    assert isinstance(result, ManifestError)
    assert "at most 5,000,000 are read" in str(result)


def test_a_file_that_is_wrong_all_over_is_not_read_to_its_end_and_says_so(judge):
    result = judge.load("wrong.yaml", GROWING["unknown keys"](2_000))
    assert isinstance(result, ManifestError)
    assert len(result.problems) == MAX_PROBLEMS + 1
    assert "the rest was not looked at" in str(result)
