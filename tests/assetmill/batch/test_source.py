"""A manifest by address or store key is fetched whole, or not at all, and nothing that is secret is repeated."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from assetmill.batch.source import manifest_from, shown_name
from assetmill.clock import Clock
from assetmill.errors import UsageError
from assetmill.manifest import ManifestError, load_pack
from assetmill.manifest.limits import MAX_FILE_BYTES
from assetmill.storage import open_store

GAME = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
include: [more/rocks.csv]
assets:
  - {id: slime, type: entity, prompt: a slime}
"""
ROCKS = "id,type,prompt\nrock,entity,a rock\n"


@dataclass
class Site:
    """What a web server has: path -> (status, content type, body); what it was asked for."""

    pages: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def put(self, path: str, text: str | bytes, kind: str = "text/plain", status: int = 200) -> str:
        self.pages[path] = (status, kind, text.encode() if isinstance(text, str) else text)
        return self.address + path


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            status, kind, body = site.pages.get(self.path, (404, "text/plain", b""))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", body.decode())
                body = b""
            self.send_header("content-type", kind)
            cut = kind.endswith("; cut")
            self.send_header("content-length", str(len(body) + (10 if cut else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def fetch(make_settings):
    settings = make_settings()
    return lambda name, clock=Clock(): manifest_from(name, settings, clock)  # noqa: B008  a value


def test_a_path_is_left_as_it_is(fetch, tmp_path):
    with fetch(str(tmp_path / "a.yaml")) as local:
        assert (local.path, local.source) == (tmp_path / "a.yaml", None)


def test_an_address_gives_the_manifest_with_all_that_it_includes_and_leaves_nothing_behind(fetch, site):
    address = site.put("/games/tiny.yaml?version=2", GAME)
    site.put("/games/more/rocks.csv", ROCKS)
    with fetch(f"{address}#top") as local:
        pack = load_pack(local.path)
        assert local.source == address
    assert [asset.id for asset in pack.assets] == ["slime", "rock"]
    assert site.asked == ["/games/tiny.yaml?version=2", "/games/more/rocks.csv"]
    assert not local.path.parent.exists()


def test_a_key_of_the_store_gives_the_manifest_with_all_that_it_includes(fetch, make_settings):
    store = open_store(make_settings().store_url)
    store.put("manifests/tiny.yaml", GAME.encode(), content_type="application/yaml")
    store.put("manifests/more/rocks.csv", ROCKS.encode(), content_type="text/csv")
    with fetch("store:manifests/tiny.yaml") as local:
        assert [asset.id for asset in load_pack(local.path).assets] == ["slime", "rock"]
        assert local.source == "store:manifests/tiny.yaml"


def test_a_table_is_named_by_its_address(fetch, site):
    with fetch(site.put("/My%20Rocks.csv", ROCKS)) as local:
        assert load_pack(local.path).game.id == "my-rocks"


@pytest.mark.parametrize(("kind", "suffix"), (("text/csv; charset=utf-8", ".csv"), ("application/yaml", ".yaml")))
def test_the_content_type_decides_where_the_name_does_not(fetch, site, kind, suffix):
    with fetch(
        site.put("/export", ROCKS if suffix == ".csv" else GAME.replace("include: [more/rocks.csv]\n", ""), kind)
    ) as local:
        assert local.path.suffix == suffix
        assert load_pack(local.path).assets


def test_problems_are_told_at_the_address_that_the_author_knows(fetch, site):
    address = site.put("/games/tiny.yaml", GAME.replace("entity", "entitty"))
    with pytest.raises(ManifestError) as raised, fetch(address) as local:
        load_pack(local.path)
    assert {problem.file for problem in raised.value.problems} == {address}
    words = str(raised.value)
    assert f"{site.address}/games/more/rocks.csv" in words
    assert str(local.path.parent) not in words


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    (
        (404, "text/plain", "there is no manifest"),
        (403, "text/plain", "answers 403"),
        (500, "text/plain", "answers 500"),
        (200, "text/html; charset=utf-8", "a web page"),
        (200, "text/plain; cut", "broke off"),
    ),
)
def test_what_is_no_manifest_is_refused_in_words(fetch, site, status, kind, words):
    with pytest.raises(UsageError, match=words) as raised, fetch(site.put("/tiny.yaml", GAME, kind, status)):
        pass
    assert raised.value.hint


def test_no_more_is_read_than_a_manifest_may_have(fetch, site):
    with (
        pytest.raises(UsageError, match="larger than a manifest"),
        fetch(site.put("/tiny.yaml", b"#" * (MAX_FILE_BYTES + 1))),
    ):
        pass


def test_fetching_ends_even_if_the_answer_does_not(fetch, site):
    late = iter(range(0, 1000, 20))
    clock = Clock(monotonic=lambda: float(next(late)))
    with pytest.raises(UsageError, match="within 30 s"), fetch(site.put("/tiny.yaml", GAME * 2000), clock):
        pass


def test_a_name_that_says_nothing_is_refused(fetch, site):
    with pytest.raises(UsageError, match="does not say what it is"), fetch(site.put("/export", GAME)):
        pass


@pytest.mark.parametrize(
    "address",
    (
        "https://artist:hunter2hunter2@host.invalid/tiny.yaml",
        "https://bucket.invalid/tiny.yaml?X-Amz-Credential=hunter2hunter2&X-Amz-Expires=60",
        "https://host.invalid/tiny.yaml?private_token=hunter2hunter2",
        "https://host.invalid/tiny.yaml?sig=hunter2hunter2",
        "https://hunter2hunter2@[broken/tiny.yaml",
    ),
)
def test_an_address_with_a_credential_is_refused_and_never_repeated(fetch, address):
    with pytest.raises(UsageError) as raised, fetch(address):
        pass
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in shown_name(address)


@pytest.mark.parametrize(
    "name", ("ftp://host/tiny.yaml", "file:///tmp/tiny.yaml", "store:../x.yaml", "store:none.yaml")
)
def test_what_leads_nowhere_is_refused(fetch, name):
    with pytest.raises(UsageError), fetch(name):
        pass


@pytest.mark.parametrize("include", ("../../secret.csv", "/etc/rocks.csv", "..\\rocks.csv", "rocks.txt"))
def test_an_include_that_leads_out_of_the_folder_is_never_fetched(fetch, site, include):
    address = site.put("/games/tiny.yaml", GAME.replace("more/rocks.csv", f"'{include}'"))
    with pytest.raises(ManifestError), fetch(address) as local:
        load_pack(local.path)
    assert site.asked == ["/games/tiny.yaml"]


@pytest.mark.parametrize(
    ("name", "shown"),
    (
        ("manifests/cloud-hop/cloud-hop.yaml", "cloud-hop.yaml"),
        ("store:inbox/anna/rocks.csv", "rocks.csv"),
        ("https://host/a/b%20c.yaml?x=1#f", "b c.yaml"),
        ("https://host", "manifest"),
    ),
)
def test_a_title_has_the_file_name_only(name, shown):
    assert shown_name(name) == shown
