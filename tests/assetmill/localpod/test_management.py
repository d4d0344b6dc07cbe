"""The account behind the management API: it makes, changes and ends endpoints, and refuses what RunPod refuses."""

from __future__ import annotations

from typing import Any

import pytest

from assetmill.localpod import Faults, Kind, PodConfig, Rule
from assetmill.localpod.quotas import Quota

DAY_S = 86_400.0
BODY: dict[str, Any] = {
    "name": "sprites", "type": "QUEUE", "image": "studio/worker:1.0", "gpu": {"pools": ["ADA_24"]},
    "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
}  # fmt: skip
COUNTED = {"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}}
CONFIG = PodConfig(endpoint_id="local", api_key="right")


def echo(job_input):
    return dict(job_input)


def at(pod, path: str = "") -> str:
    return f"{pod.url.rpartition('/')[0]}/serverless{path}"


async def test_a_new_endpoint_has_the_documented_defaults_and_names_are_not_unique(open_pod):
    async with open_pod(CONFIG, echo) as (client, pod):
        made = await client.post(at(pod), json=BODY)
        twin = await client.post(at(pod), json=BODY | COUNTED)
        listed = (await client.get(at(pod))).json()["endpoints"]
        workers = (await client.get(at(pod, f"/{made.json()['id']}/workers"))).json()
    body = made.json()
    assert made.status_code == 201
    assert (body["workers"], body["timeout"], body["flashboot"]) == (
        {"min": 0, "max": 3, "idleTimeout": 10}, 300_000, "OFF",
    )  # fmt: skip
    assert twin.json()["workers"] == {"min": 0, "max": 3}, "a queue that counts requests has no idle timeout"
    assert body["requestUrls"]["run"].endswith(f"/v2/{body['id']}/run")
    assert [one["name"] for one in listed] == ["local", "sprites", "sprites"]
    assert (workers["workers"], workers["summary"]["total"]) == ([], 0)


REFUSED = (
    ({"nmae": "x"}, 422, "body.nmae"),
    ({"workers": {"max": -1}}, 422, "body.workers.max"),
    ({"workers": {"idleTimeout": 0}}, 422, "body.workers.idleTimeout"),
    ({"workers": {"idleTimeout": 3601}}, 422, "body.workers.idleTimeout"),
    ({"scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.4}}, 422, "queueDelay"),
    ({"scaling": {"type": "QUEUE_DELAY", "requestCount": 1}}, 422, "requestCount"),
    ({"scaling": None}, 422, "scaling"),
    ({"type": "OTHER"}, 422, "body.type"),
    ({"name": ""}, 422, "body.name"),
    ({"gpu": {"pools": []}}, 422, "pools"),
    ({"gpu": {"pools": ["ADA_24"], "minCudaVersion": "12"}}, 422, "minCudaVersion"),
    ({"env": {"A": 1}}, 422, "body.env.A"),
    ({"disk": "30"}, 422, "body.disk"),
    ({"flashboot": True}, 422, "flashboot"),
    ({"image": None, "templateId": "x"}, 404, "template"),
    ({"gpu": {"pools": ["ADA_25"]}}, 400, "no pool ADA_25"),
    ({"gpu": {"pools": ["ADA_24"], "excludedTypes": ["NVIDIA L4"]}}, 400, "NVIDIA L4"),
    ({"gpu": {"pools": ["ADA_24"], "minCudaVersion": "12.6", "allowedCudaVersions": ["12.8"]}}, 400, "exclude"),
    ({"workers": {"min": 4}}, 400, "workers.min is above"),
    ({"workers": {"max": 6}}, 400, "quota of 5"),
    (COUNTED | {"workers": {"idleTimeout": 5}}, 400, "idleTimeout"),
    ({"type": "LOAD_BALANCER"}, 422, "REQUEST_COUNT"),
    ({"cpu": [{}]}, 400, "cpu"),
)


async def test_what_runpod_refuses_is_refused_as_a_problem_and_makes_nothing(open_pod):
    async with open_pod(CONFIG, echo) as (client, pod):
        for change, status, words in REFUSED:
            refused = await client.post(at(pod), json=BODY | change)
            assert refused.status_code == status, (change, refused.text)
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["status"] == status
            assert words in refused.text, (change, refused.text)
        for missing in ("name", "type", "scaling", "image", "gpu"):
            body = {name: value for name, value in BODY.items() if name != missing}
            assert (await client.post(at(pod), json=body)).status_code == (400 if missing == "gpu" else 422)
        assert (await client.post(at(pod), content=b"{")).status_code == 400
        assert len((await client.get(at(pod))).json()["endpoints"]) == 1
        locked = await client.post(at(pod), json=BODY, headers={"Authorization": "Bearer wrong"})
        assert (locked.status_code, locked.json()["title"]) == (401, "Unauthorized")


async def test_an_update_changes_what_it_names_and_a_refused_one_nothing(open_pod):
    async with open_pod(CONFIG, echo) as (client, pod):
        made = (await client.post(at(pod), json=BODY | {"env": {"A": "1"}, "gpu": EXCLUDING})).json()
        one = at(pod, f"/{made['id']}")
        raised = (await client.patch(one, json={"workers": {"max": 5}})).json()
        assert raised == made | {"workers": made["workers"] | {"max": 5}}
        for change, status in (
            ({"type": "QUEUE"}, 422), ({"workers": {"min": 9}}, 400), ({"gpu": {"excludedTypes": []}}, 422),
            ({"image": 1}, 422), ({"workers": {"max": 4}, "gpu": {"pools": ["X"]}}, 400),
        ):  # fmt: skip
            assert (await client.patch(one, json=change)).status_code == status, change
        assert (await client.get(one)).json() == raised
        pools = (await client.patch(one, json={"gpu": {"pools": ["ADA_24", "AMPERE_24"]}})).json()["gpu"]
        assert pools["excludedTypes"] == [], "pools without exclusions take them back"
        counted = (await client.patch(one, json=COUNTED)).json()["workers"]
        assert counted == {"min": 0, "max": 5}
        env = (await client.patch(one, json={"env": {"B": "2"}})).json()["env"]
        assert env == {"B": "2"}, "the environment is replaced as a whole"
        released = (await client.get(f"{one}/releases")).json()
        assert [[line["field"] for line in release["diff"]] for release in released["releases"]] == [
            ["env"],
            ["gpu"],
            [],
        ]
        assert "2" not in str(released["releases"][0]["diff"])
        assert (await client.delete(one)).status_code == 204
        assert [(await client.request(method, one)).status_code for method in ("GET", "DELETE")] == [404, 404]


EXCLUDING = {"pools": ["AMPERE_24"], "excludedTypes": ["NVIDIA L4"]}


async def test_an_endpoint_without_jobs_is_scaled_down_by_the_clock_until_somebody_raises_it(open_pod, hand_time):
    async with open_pod(CONFIG, echo, hand_time.clock) as (client, pod):
        own = at(pod, "/local")

        async def most() -> int:
            return (await client.get(own)).json()["workers"]["max"]

        told = [await most()]
        for days in (2.9, 0.2, 3.8, 0.2):
            await hand_time.advance(days * DAY_S)
            told.append(await most())
        await client.post("run", json={"input": {"n": 1}})
        told.append(await most())
        await hand_time.advance(DAY_S)
        await client.patch(own, json={"workers": {"max": 3}})
        told.append(await most())
        await hand_time.advance(2.9 * DAY_S)
        told.append(await most())
    assert told == [3, 3, 2, 2, 0, 0, 3, 3], "a job does not raise it again, a person does, for three days more"


async def test_with_no_workers_no_job_begins_and_when_they_are_raised_it_does(open_pod, hand_time):
    config = PodConfig(endpoint_id="local", api_key="right", idle_timeout_s=3600)
    async with open_pod(config, echo) as (client, pod):
        await client.patch(at(pod, "/local"), json={"workers": {"max": 0}})
        job = (await client.post("run", json={"input": {"n": 1}})).json()["id"]
        assert (pod.counts().in_queue, pod.census().idle, pod.census().running) == (1, 0, 0)
        await client.patch(at(pod, "/local"), json={"workers": {"max": 1}})
        done = (await client.get(f"status-sync/{job}?wait=30000")).json()
        assert done["status"] == "COMPLETED"
        await client.patch(at(pod, "/local"), json={"workers": {"max": 0}})
        await hand_time.until(lambda: pod.census().idle == 0)


async def test_calls_are_counted_and_the_answers_say_what_is_left(open_pod):
    quotas = (Quota("minute", 3, 60), Quota("hour", 100, 3600))
    config = PodConfig(endpoint_id="local", management_quotas=quotas)
    async with open_pod(config, echo) as (client, pod):
        answers = [await client.get(at(pod)) for _ in range(4)]
        assert (await client.get("health")).status_code == 200, "jobs have limits of their own"
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer.headers["ratelimit"].partition(";t=")[0] for answer in answers] == [
        f'"minute";r={left}' for left in (2, 1, 0, 0)
    ]
    assert answers[0].headers["ratelimit-policy"] == '"minute";q=3;w=60, "hour";q=100;w=3600'
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60


@pytest.mark.parametrize("operation", (None, "run"))
async def test_a_fault_that_does_not_name_the_management_api_leaves_it_alone(open_pod, operation):
    faults = Faults((Rule(Kind.BAD_GATEWAY, operation=operation),))
    async with open_pod(PodConfig(endpoint_id="local", faults=faults), echo) as (client, pod):
        assert (await client.get(at(pod, "/local"))).status_code == 200
        assert pod.injected() == {}
