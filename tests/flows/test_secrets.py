"""Nothing that is written anywhere holds a key, a signature or a picture as text, however badly a run goes."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import sqlite3
import traceback
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from assetmill.batch.context import Batch
from assetmill.batch.prepare import Request
from assetmill.batch.run import Steps, run_batch
from assetmill.batch.session import open_batch
from assetmill.batch.settling import settle_everything
from assetmill.clock import Clock
from assetmill.ledger import Ledger
from assetmill.localpod import Faults, PodConfig, Rule, running_pod
from assetmill.localpod.faults import Kind
from assetmill.planning.plan import ALL
from assetmill.settings import Settings, load_settings, variables_of

pytestmark = pytest.mark.timeout(600)  # the program starts Prefect, which takes its time on a slow machine

ENDPOINT = "k3y5andnothing"
KEYS = {
    "RUNPOD_API_KEY": "rpa_Q7wX/2nV+8mB=kLz4",
    "ASSETMILL_SERVE_KEY": "serve-me-J4nTq0wYb7",
    "SCENARIO_API_KEY": "api_Hc2Rz9dLw5PtXe",
    "SCENARIO_SECRET_API_KEY": "scn~Mb8Vq3Kf7Ju1%Ao",
    "R2_ACCESS_KEY_ID": "f00dfacefeedbeef1234567890abcdef",
    "R2_SECRET_ACCESS_KEY": "r2s/Wd6Gp+Zx0Ny4Te9Uh==",
}
SIGNATURE = "5197e24dc0a7be11aa90f3c2d8461b7f"
QUERY = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAEXAMPLEONLY&X-Amz-Signature={SIGNATURE}"
RUN_OF_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{200,}")
PNG = b"\x89PNG\r\n\x1a\n"


def forms(secret: str) -> set[bytes]:
    """Every way in which a secret might be written."""
    data = secret.encode()
    inner = {base64.b64encode(b"\0" * pad + data)[pad + pad // 2 + 1 : -4] for pad in (1, 2)}
    whole = base64.b64encode(data).rstrip(b"=")
    plain = {data, quote(secret, safe="").encode(), quote(secret).encode(), json.dumps(secret)[1:-1].encode()}
    return plain | {whole, whole.translate(bytes.maketrans(b"+/", b"-_")), data.hex().encode()} | inner


FORBIDDEN = {
    **{name: forms(value) for name, value in KEYS.items()},
    "the signature": {SIGNATURE.encode(), b"X-Amz-Signature"},
    "a picture's beginning": {b"iVBORw0KGgo", b"/9j/4AAQ"},
}


def leaks(data: bytes) -> set[str]:
    """What a text holds that it must not."""
    low = data.lower()
    found = {
        name
        for name, spellings in FORBIDDEN.items()
        if any(spelling in data or spelling.hex().encode() in low for spelling in spellings)
    }
    return found | ({"a long run of base64"} if RUN_OF_BASE64.search(data) else set())


def chunks(png: bytes) -> Iterator[bytes]:
    """What a PNG holds beside its pixels, unpacked."""
    at = len(PNG)
    while at < len(png):
        size, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        data = png[at + 8 : at + 8 + size]
        at += size + 12
        if kind == b"zTXt":
            data = zlib.decompress(data[data.index(b"\0") + 2 :])
        elif kind == b"iTXt" and data[data.index(b"\0") + 1]:
            data = zlib.decompress(data.split(b"\0", 4)[-1])
        if kind != b"IDAT":
            yield kind + data


def told(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder: text as it is, of pictures all but the pixels, of databases every value as well."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(PNG):
            yield str(path), b"\n".join(chunks(data))
            continue
        yield str(path), data
        if data.startswith(b"SQLite format 3"):
            yield f"{path} (values)", values(path)


def values(database: Path) -> bytes:
    """Every value of every table: in the file, a long one may be broken up, or lie in the write-ahead log."""
    with sqlite3.connect(database) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        rows = (row for name in names for row in connection.execute(f'select * from "{name}"'))  # noqa: S608  its own names
        return "\n".join(str(value) for row in rows for value in row).encode()


def take_out_contact_sheet(out: Path) -> None:
    """Take the one picture out of Prefect's database that is meant to be text, once it is known to be that one.

    No browser reaches a store in a folder, so the contact sheet is shown itself. Nothing else may be.
    """
    (sheet,) = (out / "store").rglob("gallery/*.jpg")
    inline = f"![contact sheet](data:image/jpeg;base64,{base64.b64encode(sheet.read_bytes()).decode()})"
    connection = sqlite3.connect(out / "prefect" / "prefect.db", isolation_level=None)
    try:
        for table, column in (("artifact", "data"), ("artifact_collection", "data"), ("events", "payload")):
            taken = f"update {table} set {column} = replace({column}, ?, '') where instr({column}, ?)"  # noqa: S608  its own names
            assert connection.execute(taken, (inline, inline)).rowcount == 1, table
        connection.execute("vacuum")
        connection.execute("pragma wal_checkpoint(truncate)")
    finally:
        connection.close()


def test_the_search_finds_what_is_there(tmp_path):
    for name, value in KEYS.items():
        for spelling in spellings(value):
            assert name in leaks(f"so {spelling} it is".encode()), (name, spelling)
    assert leaks(f"https://bucket/x.png?{QUERY}".encode()) == {"the signature"}
    assert leaks(base64.b64encode(picture())) >= {"a picture's beginning", "a long run of base64"}
    assert leaks(b"a harmless line with 5f3c9a64 in it, and assetmill_run") == set()
    for number, packed in enumerate((False, True)):
        text = PngInfo()
        text.add_text("k", KEYS["RUNPOD_API_KEY"], zip=packed)
        text.add_itxt("i", KEYS["SCENARIO_API_KEY"], zip=packed)
        Image.new("RGB", (4, 4)).save(tmp_path / f"{number}.png", pnginfo=text)
    assert [leaks(data) for _, data in told(tmp_path)] == [{"RUNPOD_API_KEY", "SCENARIO_API_KEY"}] * 2


def picture() -> bytes:
    image = Image.new("RGB", (128, 128), "navy")
    ImageDraw.Draw(image).rectangle((0, 64, 128, 128), fill="teal")
    noise = Image.effect_noise((64, 64), 90)
    image.paste(noise.convert("RGB"), (32, 0))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def spellings(secret: str) -> tuple[str, ...]:
    """Ways in which a program that has a secret may pass it on."""
    data = secret.encode()
    return (
        secret, quote(secret, safe=""), quote(secret), data.hex(), data.hex().upper(), json.dumps({"key": secret}),
        *(base64.b64encode(text).decode() for text in (data, b"Bearer " + data + b"!", b"k=" + data + b"\n")),
    )  # fmt: skip


def blabber(turn: int = 0) -> str:
    """What one might say that has seen too much. Words are cut off after a while: each turn begins with another key."""
    image = base64.b64encode(picture()).decode()
    keys = list(KEYS.values())
    said = [spelling for secret in keys[turn % 6 :] + keys[: turn % 6] for spelling in spellings(secret)]
    return f"{' '.join(said)} https://bucket.example/out.png?{QUERY} data:image/png;base64,{image}"


class Worker:
    """Does what the words of the prompt ask for."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.did: set[str] = set()

    def __call__(self, job_input: Mapping[str, Any]) -> Mapping[str, Any]:
        graph = job_input["workflow"]
        words = " ".join(
            str(n["inputs"].get("text", "")) for n in graph.values() if n["class_type"] == "CLIPTextEncode"
        )
        saves = [node["inputs"]["filename_prefix"] for node in graph.values() if node["class_type"] == "SaveImage"]
        good = base64.b64encode(picture()).decode()
        images = [{"filename": f"{prefix}_00001_.png", "type": "base64", "data": good} for prefix in saves]
        signed = {"type": "s3_url", "data": f"{self.bucket}/out.png?{QUERY}"}
        answers: dict[str, Callable[[], Mapping[str, Any]]] = {
            "refused": lambda: {"error": f"Workflow validation failed: {blabber(1)}\n• Node 4"},
            "raised": lambda: {
                "error": "Job processing failed",
                "details": [f"Workflow execution error: Node Type: KSampler, Node ID: 3, Message: {blabber(2)}"],
            },
            "exclaimed": lambda: {"error": {"error_type": blabber(3), "error_message": blabber(4)}},
            "unfetched": lambda: {"images": [image | signed for image in images]},
            "nowhere": lambda: {"images": [image | {"data": f"http://[{blabber(5)}?{QUERY}"} for image in images]},
            "partly": lambda: {"images": [], "errors": [blabber(6)]},
            "shapeless": lambda: {"pictures": blabber(7), blabber(8): good},
            "misnamed": lambda: {"images": [image | {"filename": blabber(9)} for image in images]},
            "garbled": lambda: {"images": [image | {"data": blabber(10)} for image in images]},
        }
        for key, answer in answers.items():
            if key in words:
                self.did.add(key)
                return answer()
        return {"images": images}


FAULTS = Faults(
    (
        Rule(Kind.LOST_ANSWER, match="unheard", times=1),
        Rule(Kind.TRUNCATED_IMAGE, match="halved"),
        Rule(Kind.NOT_AN_IMAGE, match="page"),
        Rule(Kind.THROTTLE, operation="run", after=6, times=1, seconds=1),
        Rule(Kind.BAD_GATEWAY, operation="status-sync", times=2),
    )
)
BAD = ("refused", "raised", "exclaimed", "unfetched", "nowhere", "partly", "shapeless", "misnamed", "garbled",
       "unheard", "halved", "page")  # fmt: skip


def manifest() -> str:
    """Each bad one among good ones, so that the breakers let all of them through."""
    head = "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: default, name: Default}\nassets:\n"
    lines = []
    for number, words in enumerate(BAD):
        names = [*(f"fine{number}{letter}" for letter in "abc"), words]
        lines += [f"  - {{id: {name}, type: background, prompt: {name} sky, size: 128x128}}\n" for name in names]
    return head + "".join(lines)


@asynccontextmanager
async def server(answer: Callable[[str], bytes]) -> AsyncIterator[str]:
    """An HTTP server that says what it is told to; its base address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            writer.write(answer(head))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def said_by_a_gateway(status: str, body: str, kind: str = "text/html") -> bytes:
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\nconnection: close\r\n\r\n"
    return head.encode() + data


async def test_a_run_in_which_everything_fails_writes_no_secret_anywhere(terminal, prefect_tables, tmp_path):
    out = prefect_tables(tmp_path / "out")
    async with server(lambda _: said_by_a_gateway("403 Forbidden", f"<Error>{blabber()}</Error>")) as bucket:
        worker = Worker(bucket)
        config = PodConfig(endpoint_id=ENDPOINT, api_key=KEYS["RUNPOD_API_KEY"], workers=2, faults=FAULTS)
        async with running_pod(config, worker) as pod:
            variables = {
                **KEYS,
                "RUNPOD_API_URL": pod.url.rpartition("/")[0],
                "ASSETMILL_HOME": str(out),
                "ASSETMILL_LOOK_FOR_S": "0",
                "ASSETMILL_WORKER_IDLE_S": "0",
                "ASSETMILL_MAX_WORKERS": "2",
                "PREFECT_LOGGING_LEVEL": "DEBUG",
                "PREFECT_LOGGING_EXTRA_LOGGERS": "assetmill",
            }
            name = terminal.manifest(manifest())
            results = [
                await asyncio.to_thread(terminal, *arguments, **variables)
                for arguments in (
                    ("run", name, "--endpoint", ENDPOINT, "--yes", "--json"),
                    ("settle",),
                    ("settle", "--json"),
                    ("plan", name, "--endpoint", ENDPOINT),
                    ("report", "--format", "json"),
                    ("ledger", "check", "--json"),
                )
            ]
    first = results[0]
    assert first.code == 1, first.err
    assert worker.did == set(BAD) - {"unheard", "halved", "page"}, "every one had its say"
    assert {"lost_answer", "truncated_image", "not_an_image", "throttle", "bad_gateway"} <= set(pod.injected())
    with Ledger.open(f"sqlite:///{out / 'ledger.db'}") as ledger:
        rows = ledger.rows()
    told_of = {row["error_class"] for row in rows}
    assert {"validation_failed", "execution_failed", "wrong_count", "invalid_image", "result_invalid"} <= told_of
    assert "submitted" in {row["status"] for row in rows}, "one that could not be fetched"
    take_out_contact_sheet(out)
    spoken = [(f"what command {n} said", (r.out + r.err).encode()) for n, r in enumerate(results)]
    written = list(told(out))
    names = " ".join(name for name, _ in written)
    assert all(part in names for part in ("receipts", "gallery", "prefect.db (values)", "ledger.db (values)", ".png"))
    database = next(data for name, data in written if "prefect.db (values)" in name)
    assert all(words in database for words in (b"validation", b"assets-tiny", b"background/"))
    assert {name: found for name, data in (*spoken, *written) if (found := leaks(data))} == {}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Callable[..., Settings]:
    """Settings with every key set and nothing else of our environment."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        for variable in variables_of(name):
            monkeypatch.delenv(variable, raising=False)

    def make(**variables: str) -> Settings:
        plain = {"ASSETMILL_HOME": str(tmp_path / "out"), "ASSETMILL_LOOK_FOR_S": "0", "ASSETMILL_WORKER_IDLE_S": "0"}
        for name, value in {**KEYS, **plain, **variables}.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return make


class Keeping(Steps):
    """Plain steps that keep the batch."""

    batch: Batch

    async def settle(self, batch: Batch) -> int:
        self.batch = batch
        return await super().settle(batch)


def all_of(error: BaseException) -> str:
    """Everything that a program might print of an error, and of those that led to it."""
    parts = [*traceback.format_exception(error), str(error), repr(error), repr(error.args), repr(vars(error))]
    return "\n".join(parts)


def odd(words: str) -> str:
    """An answer to every call there is, with such words wherever there is room for some."""
    return json.dumps({"id": f"x {words}", "status": "FAILED", "workerId": words, "error": words, words: words})


GATEWAYS = {
    "a page": ("502 Bad Gateway", "text/html", lambda turn: f"<h1>{blabber(turn)}</h1>"),
    "a signed address first": ("400 Bad Request", "text/html", lambda _: f"https://bucket.example/out.png?{QUERY}"),
    "a picture first": ("400 Bad Request", "text/html", lambda _: f"data:{base64.b64encode(picture()).decode()}"),
    "a refusal": ("400 Bad Request", "application/json", lambda turn: json.dumps({"error": blabber(turn)})),
    "no id": ("200 OK", "application/json", lambda turn: json.dumps({"said": blabber(turn)})),
    "an odd id": ("200 OK", "application/json", lambda turn: odd(blabber(turn))),
    "no such endpoint": ("404 Not Found", "application/json", lambda turn: json.dumps({"error": blabber(turn)})),
    "the key refused": ("401 Unauthorized", "text/plain", blabber),
}


@pytest.mark.parametrize(("status", "kind", "body"), GATEWAYS.values(), ids=GATEWAYS.keys())
async def test_errors_hold_no_secret_that_a_gateway_repeats(tmp_path, settings, caplog, status, kind, body):
    caplog.set_level("DEBUG")
    turns = iter(range(1_000_000))
    (tmp_path / "tiny.yaml").write_text(manifest())
    async with server(lambda _: said_by_a_gateway(status, body(next(turns)), kind)) as address:
        made, clock, steps = settings(RUNPOD_API_URL=f"{address}/v2"), quick_clock(), Keeping()
        async with open_batch(made, Request(tmp_path / "tiny.yaml", ENDPOINT), clock, clock.new_id()) as batch:
            said: list[str] = []
            batch.progress.listener = lambda progress: said.append(progress.message)
            report, plan = await run_batch(batch, ALL, "main", steps)
        settled = await settle_everything(made, clock)
    assert report.failed == report.assets == len(plan.items)
    errors = [outcome.error for outcome in steps.batch.outcomes.values() if outcome.error]
    assert errors
    assert next(turns) > 0, "it was asked"
    spoken = {
        "errors": "\n".join(map(all_of, errors)), "report": report.model_dump_json(), "log": caplog.text,
        "progress": "\n".join(said), "settling": repr(settled), "batch": repr(steps.batch),
    }  # fmt: skip
    written = [*((name, text.encode()) for name, text in spoken.items()), *told(tmp_path / "out")]
    assert {name: found for name, data in written if (found := leaks(data))} == {}


def quick_clock() -> Clock:
    """Time that passes only while somebody sleeps, and then at once."""
    passed = [0.0]

    async def sleep(seconds: float) -> None:
        passed[0] += seconds
        await asyncio.sleep(0)

    return Clock(monotonic=lambda: passed[0], sleep=sleep)


@pytest.mark.parametrize("ending", ("\n", "\r\nX-More: 1", "\u00e9"), ids=("newline", "header", "accent"))
async def test_a_key_that_no_header_can_hold_is_not_shown(tmp_path, settings, ending):
    (tmp_path / "tiny.yaml").write_text(manifest())
    async with server(lambda _: said_by_a_gateway("500 Oops", "")) as address:
        key = KEYS["RUNPOD_API_KEY"] + ending
        made, clock, steps = settings(RUNPOD_API_URL=f"{address}/v2", RUNPOD_API_KEY=key), quick_clock(), Keeping()
        async with open_batch(made, Request(tmp_path / "tiny.yaml", ENDPOINT), clock, clock.new_id()) as batch:
            report, _ = await run_batch(batch, ALL, "main", steps)
    assert report.exit_code != 0
    errors = [outcome.error for outcome in steps.batch.outcomes.values() if outcome.error]
    assert leaks("\n".join(map(all_of, errors)).encode()) == set()
    assert {name: found for name, data in told(tmp_path / "out") if (found := leaks(data))} == {}


PASSWORD = KEYS["SCENARIO_API_KEY"]
ADDRESSES = {
    "a database": {"ASSETMILL_LEDGER_URL": f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/books"},
    "no database": {"ASSETMILL_LEDGER_URL": f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:port/books"},
    "an unknown database": {"ASSETMILL_LEDGER_URL": f"mongo://me:{PASSWORD}@127.0.0.1/books"},
    "a store": {"ASSETMILL_STORE_URL": f"s3://me:{PASSWORD}@bucket/prefix"},
    "an unknown store": {"ASSETMILL_STORE_URL": f"ftp://me:{PASSWORD}@host/prefix"},
    "a provider": {"RUNPOD_API_URL": f"https://me:{PASSWORD}@api.example/v2"},
    "a choice": {"IMAGE_GENERATION_PROVIDER": PASSWORD, "ASSETMILL_MAX_WORKERS": PASSWORD},
}


@pytest.mark.parametrize("variables", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_an_address_with_a_password_is_never_repeated(terminal, variables):
    terminal.manifest()
    for arguments in (("plan", "tiny.yaml", "--endpoint", ENDPOINT, "--json"), ("settle",), ("ledger", "check")):
        done = terminal(*arguments, **{"RUNPOD_API_KEY": KEYS["RUNPOD_API_KEY"], **variables})
        assert leaks((done.out + done.err).encode()) == set(), done.err
    assert done.err or done.out


def test_an_endpoint_with_a_password_is_never_repeated(terminal):
    address = f"https://me:{PASSWORD}@api.example/v2/{ENDPOINT}"
    done = terminal("run", terminal.manifest(), "--endpoint", address, "--yes", "--json", **KEYS)
    assert done.code == 2
    assert leaks((done.out + done.err).encode()) == set()
