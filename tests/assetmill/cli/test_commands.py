"""The program from outside: exit codes, one JSON object on stdout, and light commands that stay light."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assetmill.cli.app import parse_overrides
from assetmill.manifest import load_pack
from assetmill.settings import Settings

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "manifests" / "cloud-hop" / "cloud-hop.yaml"
TINY = """version: 1
game: {id: tiny, title: Tiny}
pack: {id: default, name: Default}
assets:
  - {id: slime, type: entity, prompt: a slime, shape: circle}
"""


@pytest.fixture
def program(tmp_path, programs):
    names = {str(field.alias) for field in Settings.model_fields.values()}
    base = {key: value for key, value in os.environ.items() if key not in names}

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return programs.run(arguments, tmp_path, base | variables)

    (tmp_path / "tiny.yaml").write_text(TINY)
    return run


def test_validate_says_what_a_manifest_holds(program):
    done = program("validate", str(EXAMPLE))
    assert done.returncode == 0
    assert "no errors" in done.stdout


def test_a_wrong_manifest_is_2_with_located_errors_and_no_traceback(program, tmp_path):
    (tmp_path / "bad.yaml").write_text(TINY.replace("shape: circle", "shap: circle") + "  - {id: X, type: entiti}\n")
    for command in ("validate", "plan", "run"):
        done = program(command, "bad.yaml")
        assert done.returncode == 2, command
        assert "bad.yaml:5:" in done.stderr
        assert "bad.yaml:6:" in done.stderr
        assert "Traceback" not in done.stderr
    document = json.loads(program("validate", "bad.yaml", "--json").stdout)
    assert document["exit_code"] == 2
    assert {problem["line"] for problem in document["error"]["problems"]} == {5, 6}


@pytest.mark.parametrize(
    "arguments",
    (
        ("plan",), ("nonsense",), ("plan", "missing.yaml"), ("plan", "tiny.yaml", "--only", "nobody"),
        ("plan", "tiny.yaml", "--type", "entiti"), ("run", "tiny.yaml", "--only", ""),
        ("plan", "tiny.yaml", "--type", ","), ("plan", "tiny.yaml", "--endpoint", "darft"),
        ("plan", "tiny.yaml", "--set", "no-equals-sign"), ("report", "--by", "dai"), ("report", "--format", "pdf"),
        ("report", "--timezone", "Mars"), ("report", "--run", "x"),
        ("schema", "--out", "."), ("serve", "--workers", "0"), ("run", "tiny.yaml", "--endpoint", "ftp://127.0.0.1/x"),
    ),
)  # fmt: skip
def test_usage_errors_are_2_without_a_traceback(program, arguments):
    done = program(*arguments)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    (
        ("title=12:30", "title", "12:30"), ("prompt=no", "prompt", "no"), ("prompt=Hero: the knight", "prompt", None),
        ("color=#ff8800", "color", "#ff8800"), ("color='#ff8800'", "color", "#ff8800"),
        ("tags=[a, b]", "tags", ("a", "b")),
        ("candidates=2", "candidates", 2), ("tags=a|b", "tags", ("a", "b")),
    ),
)  # fmt: skip
def test_a_field_set_on_the_command_line_means_what_was_typed(pair, name, value, tmp_path):
    (tmp_path / "m.yaml").write_text(TINY + "  - {id: logo, type: title_hero, title: Tiny, prompt: letters}\n")
    pack = load_pack(tmp_path / "m.yaml", parse_overrides([pair]))
    wanted = pair.partition("=")[2] if value is None else value
    assert {getattr(asset, name) for asset in pack.assets if hasattr(asset, name)} == {wanted}


def test_a_nested_field_may_follow_its_parent_on_the_command_line(program):
    done = program("plan", "tiny.yaml", "--set", "post=3", "--set", "post.colors=4", "--json")
    assert done.returncode == 0, done.stderr


def test_a_state_folder_that_cannot_be_made_is_5_and_names_it(program):
    done = program("run", "tiny.yaml", ASSETMILL_HOME="tiny.yaml")
    assert done.returncode == 5, done.stderr
    assert "Traceback" not in done.stderr
    assert "ASSETMILL_HOME" in done.stderr


def test_a_prefect_api_out_of_reach_is_2_before_anything_is_made(program, tmp_path):
    done = program("run", "tiny.yaml", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "PREFECT_API_URL" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", ((), ("--json",)))
def test_a_title_that_the_locale_cannot_write_goes_through_a_pipe_as_utf_8(tmp_path, options):
    (tmp_path / "sky.csv").write_text("#@ game.title: Ünder \U0001f680\nid,type,prompt\na,entity,é\n", encoding="utf-8")
    command = [sys.executable, "-P", "-m", "assetmill.cli", "plan", "sky.csv", *options]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "ASSETMILL_HOME": str(tmp_path / "out")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("utf-8")
    assert json.loads(text)["game"] == "sky" if options else "Ünder \U0001f680" in text


def test_a_manifest_with_nothing_enabled_is_not_said_to_be_complete(program):
    done = program("plan", "tiny.yaml", "--set", "enabled=false")
    assert done.returncode == 0
    assert "every picture is there" not in done.stdout


def test_a_planned_picture_takes_one_line_of_an_80_column_terminal(program, tmp_path):
    blocked = "  - {id: hills, type: parallax, prompt: hills, workflow: txt2img, layer_count: 3}\n"
    (tmp_path / "tiny.yaml").write_text(TINY + blocked)
    done = program("plan", "tiny.yaml", COLUMNS="80")
    (row,) = [line for line in done.stdout.splitlines() if "slime" in line]
    assert "s)" in row
    assert "$" in row


def test_a_paid_run_without_consent_is_3_and_sends_nothing(program, tmp_path):
    variables = {
        "IMAGE_GENERATION_PROVIDER": "runpod", "RUNPOD_API_KEY": "made-up",
        "RUNPOD_COMFYUI_ENDPOINT_ID": "abcdefghij12", "RUNPOD_API_URL": "http://127.0.0.1:9/v2",
    }  # fmt: skip
    done = program("run", "tiny.yaml", **variables)
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_provider_without_a_key_is_4(program):
    done = program("run", "tiny.yaml", "--endpoint", "runpod", "--json")
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "provider_refused"


def test_books_that_cannot_be_opened_are_5(program, tmp_path):
    (tmp_path / "ledger.db").write_text("this is no database, and long enough to be looked at as one" * 40)
    done = program("plan", "tiny.yaml", ASSETMILL_LEDGER_URL=f"sqlite:///{tmp_path / 'ledger.db'}")
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


def test_a_plan_is_one_object_and_leaves_nothing_behind(program, tmp_path):
    done = program("plan", "tiny.yaml", "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["counts"]["new"] == 1
    assert document["items"][0]["workflow"] == "entity"
    assert not (tmp_path / "out").exists()


PAID = {"RUNPOD_API_KEY": "made-up", "RUNPOD_COMFYUI_ENDPOINT_ID": "abcdefghij12", "ASSETMILL_GPU_POOL": "ADA_24"}


def test_a_paid_plan_names_choices_each_with_what_it_is_from(program):
    document = json.loads(program("plan", str(EXAMPLE), "--endpoint", "runpod", "--json", **PAID).stdout)
    cost = {key: float(value) for key, value in document["total"]["cost_usd"].items()}
    assert 0 < cost["low"] < cost["estimate"] < cost["high"]
    [planned] = [choice for choice in document["choices"] if choice["planned"]]
    assert (planned["workers"], planned["pool"], planned["cost_usd"]) == (3, "ADA_24", document["total"]["cost_usd"])
    assert planned["elapsed_s"] == document["total"]["elapsed_s"]
    assert {choice["workers"] for choice in document["choices"] if choice["pool"] == "ADA_24"} == {1, 2, 3, 6}
    assert all(choice["price_source"] for choice in document["choices"])
    assert all(set(choice["sources"].values()) == {"prior"} for choice in document["choices"]), "there are no books"
    others = {choice["pool"]: choice for choice in document["choices"] if not choice["planned"]}
    assert others["ADA_32_PRO"]["cost_usd"]["estimate"] is None, "an unknown price stays unknown"
    assert "AMPERE_16" not in others, "its cards are too small for the model"


def test_a_paid_plan_shows_its_choices_to_a_person(program):
    shown = program("plan", str(EXAMPLE), "--endpoint", "runpod", COLUMNS="200", **PAID).stdout
    rows = [line.split() for line in shown.splitlines() if " priors" in line and "(RTX" in line]
    assert [row[0] for row in rows if row[1] == "ADA_24"] == ["1", "2", "3", "*6"]
    assert "RunPod documentation" in shown


def test_schema_and_lint(program):
    schema = json.loads(program("schema").stdout)
    assert schema["$schema"].endswith("2020-12/schema")
    done = program("workflows", "lint")
    assert (done.returncode, "0 findings" in done.stdout) == (0, True)


def test_a_report_of_empty_books_is_empty(program):
    assert program("report").returncode == 0
    assert json.loads(program("report", "--format", "json").stdout)["rows"] == []


def test_a_report_is_written_whole_to_a_file_and_says_its_time_and_zone(program, tmp_path):
    page, sheet = tmp_path / "new" / "cost.html", tmp_path / "cost.xlsx"
    span = ("--since", "2026-10-01", "--until", "2026-11-01", "--timezone", "Europe/Berlin")
    done = program("report", "--format", "html", "--out", str(page), *span)
    assert (done.returncode, done.stdout) == (0, "")
    assert "Europe/Berlin" in page.read_text()
    sheet.write_bytes(b"older")
    assert program("report", "--format", "xlsx", "--out", str(sheet)).returncode == 0
    assert sheet.read_bytes()[:2] == b"PK"
    assert sorted(file.name for file in tmp_path.rglob("*cost*")) == ["cost.html", "cost.xlsx"]
    assert "from 2026-10-01 00:00 until 2026-11-01 00:00, Europe/Berlin" in program("report", *span).stdout
    refused = program("report", "--out", str(page / "below.txt"))
    assert (refused.returncode, "cannot be written" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    (["validate", str(EXAMPLE)], ["plan", str(EXAMPLE)], ["schema"], ["prices"], ["--help"], ["report"]),
)
def test_light_commands_load_neither_prefect_nor_pandas(arguments, tmp_path):
    code = (
        "import sys\nfrom assetmill.cli.app import app\n"
        f"try:\n    app({arguments!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'prefect', 'pandas', 'pyarrow', 's3fs', 'uvicorn'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
