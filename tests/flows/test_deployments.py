"""prefect.yaml says what is deployed: each entry loads and fits its flow, and a deploy may be repeated at any time."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.client.orchestration import PrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.utilities.schema_tools.validation import validate
from pydantic import SecretStr

from assetmill.errors import UsageError
from assetmill.settings import Settings
from flows.setup.deploy import Deployed, Wish, run_deploy
from flows.setup.specs import DeploymentSpec, default_file, read_specs
from flows.setup.variables import AUTO_APPROVE, NIGHT_BUDGET, amount

ROOT = Path(__file__).parents[2]
FILE = ROOT / "prefect.yaml"
SPECS = {spec.name: spec for spec in read_specs(FILE).deployments}
ASKED_FOR = {"generate-batch": {"manifest"}, "compare": {"manifest", "providers"}, "submission": {"submission"}}
"""What whoever orders a run has to say; a schedule says nothing, so its flow may need nothing."""

pytestmark = pytest.mark.timeout(600)
each = pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)


def wrong_with(spec: DeploymentSpec, parameters: dict[str, Any]) -> list[str]:
    """What a run form would refuse."""
    schema = spec.flow().parameters.model_dump(mode="json")
    unknown = [f"{name} is no parameter" for name in sorted(set(parameters) - set(schema["properties"]))]
    missing = set(schema.get("required") or ()) - set(parameters) - ASKED_FOR.get(spec.name, set())
    refused = [error.message for error in validate(parameters, schema, ignore_required=True)]
    return unknown + [f"{name} is missing" for name in sorted(missing)] + refused


def test_everything_that_is_to_run_is_deployed():
    assert set(SPECS) == {
        "generate-batch", "nightly", "settle-open", "ingest-submissions", "submission", "cost-report-weekly",
        "cost-report-monthly", "compare",
    }  # fmt: skip


@each
def test_an_entrypoint_is_a_module_that_is_loaded_once_and_holds_the_flow(spec):
    module, _, name = spec.entrypoint.partition(":")
    flow = spec.flow()
    assert getattr(importlib.import_module(module), name) is flow
    assert sys.modules[module].__file__ == str(ROOT / "flows" / f"{module.removeprefix('flows.')}.py")
    assert flow.name == spec.name.removesuffix("-weekly").removesuffix("-monthly")


@each
def test_the_parameters_of_a_deployment_and_of_its_schedules_fit_its_flow(spec):
    assert wrong_with(spec, spec.parameters) == []
    for schedule in spec.schedules:
        assert wrong_with(spec, spec.parameters | schedule.parameters) == []


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    (
        ("generate-batch", {"provdier": "draft"}, "provdier is no parameter"),
        ("generate-batch", {"provider": "nobody"}, "'nobody' is not"),
        ("generate-batch", {"budget_usd": "much"}, "'much' is not"),
        ("cost-report-weekly", {"period": "year"}, "'year' is not"),
    ),
)
def test_a_parameter_that_its_flow_would_refuse_is_noticed(name, parameters, words):
    assert any(words in told for told in wrong_with(SPECS[name], parameters))


@each
def test_the_run_form_explains_every_field(spec):
    fields = spec.flow().parameters.model_dump()["properties"]
    assert [name for name, field in fields.items() if not field.get("description")] == []


@each
def test_every_deployment_enforces_its_parameters_and_bears_our_tag(spec):
    assert spec.enforce_parameter_schema
    assert "assetmill" in spec.tags
    assert spec.description


def test_what_spends_money_unasked_is_off_until_somebody_switches_it_on():
    active = {f"{spec.name}/{one.slug}": one.active for spec in SPECS.values() for one in spec.schedules}
    assert [name for name, on in active.items() if not on] == ["nightly/night"]
    assert len(active) == 5


def test_the_file_names_no_folder_and_fetches_no_code():
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        if isinstance(value, list):
            return [text for inner in value for text in texts(inner)]
        return [str(value)]

    document = yaml.safe_load(FILE.read_text())
    assert document["pull"] == []
    assert [text for text in texts(document) if text.startswith(("/", "~", "file:")) or ":\\" in text] == []
    assert {spec.work_pool.job_variables["working_dir"] for spec in SPECS.values()} == {"."}
    assert default_file() == FILE


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A copy of the file with something else in it."""
    document = yaml.safe_load(FILE.read_text())
    change({one["name"]: one for one in document["deployments"]} | {"": document})
    copy = tmp_path / "prefect.yaml"
    copy.write_text(yaml.safe_dump(document))
    return copy


@pytest.mark.parametrize(
    ("change", "words"),
    (
        (lambda all_: all_["nightly"].update(shedules=[]), "deployments.nightly.shedules: Extra inputs"),
        (
            lambda all_: all_["nightly"].pop("concurrency_limit"),
            "deployments.nightly.concurrency_limit: Field required",
        ),
        (
            lambda all_: all_["nightly"]["concurrency_limit"].pop("collision_strategy"),
            "deployments.nightly.concurrency_limit.collision_strategy",
        ),
        (lambda all_: all_["nightly"]["schedules"][0].update(cron="0 25 * * *"), "deployments.nightly.schedules.0"),
        (
            lambda all_: all_["nightly"]["schedules"][0].update(timezone="Europe/Lodnon"),
            "deployments.nightly.schedules.0",
        ),
        (lambda all_: all_["nightly"]["schedules"][0].pop("timezone"), "schedules.0.timezone: Field required"),
        (lambda all_: all_["settle-open"]["schedules"][0].pop("anchor_date"), "`interval` and `anchor_date`"),
        (lambda all_: all_["nightly"].update(entrypoint="flows/nightly.py:nightly"), "deployments.nightly.entrypoint"),
        (lambda all_: all_["nightly"].update(name="settle-open"), "two deployments are called settle-open"),
        (lambda all_: all_[""].update(pull=[{"git_clone": {}}]), "pull: "),
        (lambda all_: all_[""].pop("pull"), "pull: Field required"),
    ),
)
def test_a_file_that_says_something_else_than_it_can_mean_is_refused_with_the_place(tmp_path, change, words):
    with pytest.raises(UsageError) as told:
        read_specs(changed(tmp_path, change))
    assert words in told.value.message


def test_a_file_that_is_none_or_names_no_flow_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot read"):
        read_specs(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(UsageError, match="is no YAML"):
        read_specs(tmp_path / "bad.yaml")
    for entrypoint, words in (("flows.none:nightly", "No module named"), ("flows.nightly:none", "has no flow none")):
        path = changed(tmp_path, lambda all_, where=entrypoint: all_["nightly"].update(entrypoint=where))
        spec = next(one for one in read_specs(path).deployments if one.name == "nightly")
        with pytest.raises(UsageError, match=words):
            spec.flow()


@pytest.mark.parametrize("value", ("", "much", "-1", "inf", "NaN", True, None, [1]))
def test_a_variable_that_is_no_amount_is_told_by_its_name(value):
    with pytest.raises(UsageError, match=f"variable {NIGHT_BUDGET} is no amount"):
        amount(NIGHT_BUDGET, value)


def test_a_variable_is_a_number_or_its_text_or_unlimited():
    assert [str(amount(NIGHT_BUDGET, value)) for value in ("2.50", 2, 2.5, " 0 ", "unlimited")] == [
        "2.50", "2", "2.5", "0", "None",
    ]  # fmt: skip


@pytest.fixture
def deploy(deployed, tmp_path, monkeypatch) -> Callable[..., Deployed]:
    """Deploy again, in this process, with no settings but those given."""
    monkeypatch.chdir(tmp_path)

    def again(file: Path | None = None, endpoints: tuple[str, ...] = (), **values: Any) -> Deployed:
        settings = Settings(_env_file=None).model_copy(update=values)
        with temporary_settings({PREFECT_API_URL: deployed.api_url}):
            return run_deploy(settings, Wish(file, endpoints))

    return again


@pytest.fixture
def prefect(deployed) -> Callable[[Callable[[PrefectClient], Awaitable[Any]]], Any]:
    """Do something on the server, as an operator in the UI does."""

    def run(work: Callable[[PrefectClient], Awaitable[Any]]) -> Any:
        async def there() -> Any:
            async with PrefectClient(deployed.api_url) as client:
                return await work(client)

        return asyncio.run(there())

    return run


def test_the_first_deploy_makes_everything_and_the_second_changes_nothing(deployed, deploy):
    said = deployed.said["changes"]
    assert "work pool assetmill created (process)" in said
    assert {f"deployment {name} created" for name in SPECS} <= set(said)
    assert f"variable {AUTO_APPROVE} created: 0" in said
    assert any(words.startswith("automation ") for words in said)
    again = deploy()
    assert again.changes == ()
    assert set(again.deployments) == set(SPECS)


def test_prefects_own_deploy_reads_the_same_file_to_the_same_end(deployed, deploy, terminal):
    command = [sys.executable, "-P", "-m", "prefect", "--no-prompt", "deploy", "--all"]
    environment = terminal.environment | {"PREFECT_API_URL": deployed.api_url, "PREFECT_HOME": str(terminal.folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert deploy().changes == ()


def test_what_an_operator_switches_stays_and_what_else_was_changed_is_put_right(deploy, prefect):
    async def meddle(client: PrefectClient) -> None:
        nightly = await client.read_deployment_by_name("nightly/nightly")
        (night,) = nightly.schedules
        await client.update_deployment_schedule(nightly.id, night.id, active=True)
        settle = await client.read_deployment_by_name("settle-open/settle-open")
        await client.pause_deployment(settle.id)
        weekly = await client.read_deployment_by_name("cost-report/cost-report-weekly")
        answer = await client._client.patch(
            f"/deployments/{weekly.id}",
            json={"tags": ["mine"], "parameters": {"period": "month"}, "concurrency_limit": 9},
        )
        answer.raise_for_status()
        cron = {"schedule": {"cron": "1 1 * * *", "timezone": "UTC"}, "active": True, "slug": "by-hand"}
        (await client._client.post(f"/deployments/{weekly.id}/schedules", json=[cron])).raise_for_status()
        (monday,) = weekly.schedules
        (
            await client._client.patch(
                f"/deployments/{weekly.id}/schedules/{monday.id}",
                json={"schedule": {"cron": "0 9 * * 1", "timezone": "UTC"}},
            )
        ).raise_for_status()
        (await client._client.patch(f"/variables/name/{AUTO_APPROVE}", json={"value": "2.50"})).raise_for_status()

    prefect(meddle)
    done = deploy()
    assert set(done.changes) == {
        "deployment cost-report-weekly changed: concurrency limit, parameters, tags",
        "schedule cost-report-weekly/monday-morning changed",
        "schedule cost-report-weekly/by-hand removed",
    }
    kept = {"schedule nightly/night was switched on and stays so", "deployment settle-open is paused and stays so"}
    assert kept <= set(done.notes)
    again = deploy()
    assert again.changes == ()
    assert kept <= set(again.notes)

    async def look(client: PrefectClient) -> tuple[Any, ...]:
        weekly = await client.read_deployment_by_name("cost-report/cost-report-weekly")
        variable = await client.read_variable_by_name(AUTO_APPROVE)
        settle = await client.read_deployment_by_name("settle-open/settle-open")
        nightly = await client.read_deployment_by_name("nightly/nightly")
        await client.resume_deployment(settle.id)
        await client.update_deployment_schedule(nightly.id, nightly.schedules[0].id, active=False)
        (await client._client.patch(f"/variables/name/{AUTO_APPROVE}", json={"value": "0"})).raise_for_status()
        return weekly, variable.value, settle.paused, nightly.schedules[0].active

    weekly, approved, paused, active = prefect(look)
    assert (weekly.parameters, weekly.tags) == ({"period": "week"}, ["assetmill"])
    assert [one.schedule.cron for one in weekly.schedules] == ["0 7 * * 1"]
    assert weekly.global_concurrency_limit.limit == 1
    assert (approved, paused, active) == ("2.50", True, True)


def test_what_the_file_has_no_more_is_removed_and_what_others_have_deployed_is_not(deploy, prefect, tmp_path):
    async def others(client: PrefectClient) -> None:
        flow_id = await client.create_flow_from_name("nightly")
        await client.create_deployment(flow_id, "tuesday", entrypoint="flows.nightly:nightly", tags=["mine"])
        foreign = await client.create_flow_from_name("backup")
        await client.create_deployment(foreign, "backup", entrypoint="studio.backup:backup", tags=["assetmill"])

    async def names(client: PrefectClient) -> set[str]:
        return {one.name for one in await client.read_deployments()}

    prefect(others)
    smaller = changed(
        tmp_path,
        lambda all_: (all_[""]["deployments"].remove(all_["cost-report-monthly"]), all_["nightly"].pop("schedules")),
    )
    done = deploy(smaller)
    assert set(done.changes) == {"deployment cost-report-monthly removed", "schedule nightly/night removed"}
    assert prefect(names) == set(SPECS) - {"cost-report-monthly"} | {"tuesday", "backup"}
    assert set(deploy().changes) == {"deployment cost-report-monthly created", "schedule nightly/night created"}
    assert prefect(names) == set(SPECS) | {"tuesday", "backup"}


def test_a_limit_is_made_for_an_endpoint_that_is_named_and_keeps_an_operators_value(deploy, prefect):
    url = "http://127.0.0.1:8123/v2/gpu"
    (made,) = deploy(None, (url,), max_workers=2).changes
    assert made.endswith("created (4 slots)")
    name = made.split()[2]

    async def widen(client: PrefectClient) -> None:
        (await client._client.patch(f"/v2/concurrency_limits/{name}", json={"limit": 7})).raise_for_status()

    prefect(widen)
    assert deploy(None, (url,), max_workers=2).changes == ()


def test_without_a_server_or_with_one_that_is_away_the_command_says_what_to_do(terminal):
    unset = terminal("deploy", "--json")
    assert (unset.code, unset.document["error"]["code"]) == (2, "usage")
    assert "PREFECT_API_URL is not set" in unset.err
    assert "make server" in unset.err
    away = terminal("deploy", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert away.code == 2
    assert "no Prefect API answers" in away.err
    assert "Traceback" not in unset.err + away.err


def test_a_server_that_refuses_is_told_without_its_address(deployed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    elsewhere = deployed.api_url.removesuffix("/api") + "/made-up-secret-path"
    with temporary_settings({PREFECT_API_URL: elsewhere}), pytest.raises(UsageError, match="HTTP 404") as told:
        run_deploy(Settings(_env_file=None))
    assert "made-up-secret" not in str(told.value)


@contextmanager
def somebody_else(status: int, answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Another web server than Prefect's; its answer is made of the request's body."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(self.rfile.read(int(self.headers["content-length"] or 0)))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def deploy_to(address: str, **values: Any) -> str:
    """What a deploy that cannot work says."""
    settings = Settings(_env_file=None).model_copy(update=values)
    with temporary_settings({PREFECT_API_URL: address}), pytest.raises(UsageError) as told:
        run_deploy(settings)
    return str(told.value)


def test_an_address_of_pages_instead_of_the_api_is_told_in_words(tmp_path, monkeypatch):
    """As that of Prefect's own UI without /api at its end: every page is there, and is HTML."""
    monkeypatch.chdir(tmp_path)
    with somebody_else(200, lambda _: b"<html>hello</html>") as address:
        assert "with /api at its end" in deploy_to(address)


def test_a_server_that_repeats_what_it_was_sent_repeats_no_secret(tmp_path, monkeypatch):
    """As Prefect does with a request that it does not understand."""
    monkeypatch.chdir(tmp_path)
    secret = "made-up-webhook-secret"
    with somebody_else(422, lambda _: b'{"request_body": "made-up-webhook-secret"}') as address:
        said = deploy_to(address, alert_url=SecretStr(secret))
    assert "HTTP 422" in said
    assert secret not in said


def test_an_address_with_a_password_is_told_without_it(terminal):
    away = terminal("deploy", "--json", PREFECT_API_URL="http://me:made-up-password@127.0.0.1:9/api")
    assert away.code == 2
    assert "127.0.0.1:9/api" in away.err
    assert "made-up-password" not in away.err + away.out


def test_a_worker_in_any_folder_runs_with_that_folders_env_manifests_and_results(deployed, process_worker, tmp_path):
    folder = tmp_path / "studio"
    folder.mkdir()
    (folder / ".env").write_text("ASSETMILL_HOME=art\n")
    (folder / "tiny.yaml").write_text(
        "version: 1\ngame: {id: tiny, title: Tiny}\npack: {id: default, name: Default}\n"
        "assets:\n  - {id: slime, type: entity, prompt: a green slime, shape: circle, silhouette: {canvas: 64x64}}\n"
    )
    with process_worker(folder) as worker:
        run = deployed.ended(deployed.start("generate-batch", manifest="tiny.yaml"), worker)
    assert run["state"]["name"] == "Completed", worker.words()
    assert json.loads((folder / "art/store/packs/tiny/draft/latest.json").read_text())["game"] == "tiny"
    assert (folder / "art" / "ledger.db").is_file()


def test_the_run_form_is_enforced_by_the_server(deployed):
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        deployed.start("generate-batch", manifest="a.yaml", provider="nobody")
