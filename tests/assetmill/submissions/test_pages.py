"""Pages say what the command line says, lead nowhere by themselves, and take nobody's words for markup."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from assetmill.manifest import ManifestError, Problem, load_pack
from assetmill.submissions import ingest
from assetmill.submissions.excerpts import LONGEST, Excerpts
from assetmill.submissions.names import PAGE_KINDS, Sort, page_name, sort_of

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7 * 7 }}"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_errors_are_those_of_the_command_line_each_with_its_line(studio, tmp_path, text):
    broken = (
        text() + "  - {id: crate, type: entity, promt: a crate}\n  - {id: sky, type: background, prompt: x, width: 9}\n"
    )
    path = tmp_path / "my-game.yaml"
    path.write_text(broken.replace("width: 9", "width: 99999"))
    with pytest.raises(ManifestError) as told:
        load_pack(path)
    studio.drop("my-game.yaml", path.read_text())
    ingest(studio.desk())
    document = json.loads(studio.page("my-game.yaml.errors.json"))
    fields = [{name: row[name] for name in row if name != "excerpt"} for row in document["problems"]]
    assert fields == [row | {"file": "my-game.yaml"} for row in told.value.as_json()]
    assert [row["excerpt"]["marked"] for row in document["problems"]] == ["promt", "99999"]
    assert document["submission"] == studio.only().id
    page = studio.page("my-game.yaml.errors.html")
    assert all(row["message"] in page.replace("&#39;", "'") for row in document["problems"])
    assert "<mark>promt</mark>" in page
    assert "Did you mean <code>prompt</code>?" in page
    assert "assetmill-submission-" not in page


def test_a_file_that_was_handed_in_finds_nothing_to_include(studio, text):
    studio.drop("other.csv", "id,type,prompt\nmoth,entity,a moth\n")
    studio.drop("my-game.yaml", text() + "include: [other.csv]\n")
    ingest(studio.desk())
    page = studio.page("my-game.yaml.errors.html")
    assert "comes alone" in page
    assert "/tmp" not in page  # noqa: S108  no path of ours may be told


def test_a_mended_file_loses_its_errors_page(any_studio, text, wrong):
    any_studio.drop("my-game.yaml", wrong)
    ingest(any_studio.desk())
    assert "my-game.yaml.errors.json" in any_studio.beside()
    any_studio.drop("my-game.yaml", text())
    ingest(any_studio.desk())
    assert any_studio.beside() == {"my-game.yaml", "my-game.yaml.plan.html"}


def test_words_of_others_are_never_markup(studio, text):
    prompt = json.dumps(EVIL)
    valid = text().replace("a slime,", f"{prompt},")
    handed = studio.desk().hand_in("<i>.yaml", valid.encode(), by=EVIL, note=EVIL)
    studio.drop("wrong.yaml", valid + f"  - {{id: x, type: {prompt}, prompt: y}}\n")
    studio.drop("<img src=x>.txt", "x")
    ingest(studio.desk())
    studio.desk().fail(handed.record.id, EVIL)
    pages = [studio.page(name) for name in studio.beside() if name.endswith(".html")]
    pages += [studio.desk().page(handed.record.id).decode()]
    assert len(pages) == 4
    for page in pages:
        tags = Tags(page).found
        assert {tag for tag, _ in tags} & {"script", "img", "i", "iframe", "link"} == set()
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert sum("&lt;script&gt;" in page for page in pages) == 3
    assert not any("49" in re.sub(r"[0-9a-f]{16,}|&#\d+;", "", page.split("</style>")[1]) for page in pages[:1])


def test_a_page_loads_nothing_and_its_style_is_all_that_it_may_use(studio, text):
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    tags = Tags(studio.page("my-game.yaml.plan.html")).found
    policy = next(a["content"] for tag, a in tags if tag == "meta" and a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not [tag for tag, attributes in tags if tag == "link" or attributes.get("src")]


def test_a_paid_plan_shows_what_else_could_be_done_and_a_draft_does_not(studio, text, priced):
    slime = text().splitlines()[-1]
    slimes = "".join(slime.replace("id: slime", f"id: slime{n}") + "\n" for n in range(60))
    studio.drop("my-game.yaml", text() + slimes)
    ingest(studio.desk(**priced))
    page = studio.page("my-game.yaml.plan.html")
    rows = re.findall(r'data-label="workers">(?:<b>)?(\d+).*?<td class="small">(?:<b>)?(\w+) \(', page, re.DOTALL)
    assert [workers for workers, pool in rows if pool == "ADA_24"] == ["1", "2", "3", "6"]
    assert ("3", "AMPERE_24") in rows
    assert "as planned" in page
    assert page.count("<th>times from</th>") == 1
    studio.drop("free.draft.yaml", text("a blue slime"))
    ingest(studio.desk(**priced))
    assert "What else could be done" not in studio.page("free.draft.yaml.plan.html")


def test_the_same_record_gives_the_same_bytes(studio, text):
    studio.drop("my-game.yaml", text())
    ingest(studio.desk())
    before = studio.page("my-game.yaml.plan.html")
    office = studio.desk()._office
    office.shelf.change(studio.only().id, lambda now: now.changed(shown=1))
    assert studio.desk().mend().shown == (studio.only().id,)
    assert studio.page("my-game.yaml.plan.html") == before


def test_pages_that_cannot_be_written_now_are_written_later_and_hold_up_no_step(shared_folder, text):
    shared_folder.drop("my-game.yaml", text())
    (shared_folder.inbox / "my-game.yaml.plan.html").mkdir()  # in the way
    done = ingest(shared_folder.desk())
    assert [str(record.state) for record in done.examined] == ["planned"]
    assert any("my-game" in words for words in ingest(shared_folder.desk()).trouble)
    (shared_folder.inbox / "my-game.yaml.plan.html").rmdir()
    assert ingest(shared_folder.desk()).trouble == ()
    assert "a slime" in shared_folder.page("my-game.yaml.plan.html")


def test_every_page_has_a_name_that_a_file_can_have_and_is_no_submission():
    names = ["my-game.yaml", "a" * 250 + ".yaml", "日" * 80 + ".yaml", "日" * 80 + "x.yaml"]
    pages = {page_name(name, kind) for name in names for kind in PAGE_KINDS}
    assert len(pages) == len(names) * len(PAGE_KINDS)
    assert max(len(page.encode()) for page in pages) <= 255
    assert {sort_of(page) for page in pages} == {Sort.IGNORED}
    assert sort_of("errors.html.yaml") is Sort.MANIFEST


@pytest.mark.parametrize(
    ("name", "text", "line", "column", "marked"),
    (
        ("a.yaml", "id: x\ntype: entty # wrong", 2, 7, "entty"),
        ("a.yaml", "\ufeffkey: v\r\nother: w\r\n", 2, 1, "other"),
        ("a.yaml", "[a, b]", 1, 2, "a"),
        ("a.yaml", "short", 1, 40, ""),
        ("a.csv", 'id,prompt,shape\nx,"a, b",circel', 2, 3, "circel"),
        ("a.csv", 'id;prompt;shape\nx;"a; b";circel', 2, 2, '"a; b"'),
        ("a.tsv", "id\ttype\nx\tentty", 2, 2, "entty"),
    ),
)
def test_the_spot_of_a_problem_is_marked(name, text, line, column, marked):
    found = Excerpts(name, text.encode()).of(Problem(name, line, column, "", "wrong"))
    assert found.marked == marked
    assert found.before + found.marked + found.after == re.split(r"\r?\n", text.removeprefix("\ufeff"))[line - 1]


def test_of_a_long_line_the_neighbourhood_is_shown():
    line = "x" * 500 + " here " + "y" * 500
    found = Excerpts("a.yaml", line.encode()).of(Problem("a.yaml", 1, 502, "", "wrong"))
    assert found.marked == "here"
    assert found.cut
    assert len(found.before + found.marked + found.after) == LONGEST
    assert Excerpts("a.yaml", b"x").of(Problem("a.yaml", 7, 1, "", "wrong")) is None
    assert Excerpts("a.yaml", b"x").of(Problem("b.csv", 1, 1, "", "wrong")) is None
