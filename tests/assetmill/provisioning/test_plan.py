"""Plan and apply over HTTP: found by name, compared field by field, made once, adopted, refused where it is unclear."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assetmill.errors import NoSuchEndpoint, OutcomeUnknown, ProviderAway, ProviderRefused, Refused, UsageError
from assetmill.localpod import Faults, Kind, Rule
from assetmill.localpod.quotas import Quota
from assetmill.provisioning import Effect, plan
from assetmill.provisioning.access import managing
from assetmill.provisioning.apply import apply, delete, one_called, scale
from assetmill.provisioning.loading import load_spec
from assetmill.provisioning.plan import plan_with


async def applied(account, endpoint_id=None):
    async with managing(account.settings, account.clock) as api:
        made = await plan_with(
            api, load_spec(account.settings.endpoint_file), account.settings, endpoint_id=endpoint_id
        )
        return await apply(api, made, account.clock)


async def test_applied_twice_there_is_one_endpoint_and_the_second_plan_is_empty(open_account):
    async with open_account() as account:
        first = await plan(account.settings, account.clock)
        assert (first.endpoint_id, {change.effect for change in first.changes}) == (None, {Effect.CREATE})
        made = await applied(account)
        second = await plan(account.settings, account.clock)
        again = await applied(account)
        [there] = await account.endpoints()
    assert (second.changes, second.endpoint_id) == ((), made.endpoint_id)
    assert (made.made, again.made, again.changed) == (True, False, ())
    assert there["id"] == made.endpoint_id
    assert (there["image"], there["disk"], there["flashboot"]) == ("studio/assetmill-worker:0.1.0", 30, "FLASHBOOT")
    assert there["workers"] == {"min": 0, "max": 3, "idleTimeout": 5}
    assert there["timeout"] == 600_000
    assert there["gpu"]["minCudaVersion"] == "12.6"


DRIFTS = (
    ({"image": "studio/assetmill-worker:0.0.9"}, "image", "studio/assetmill-worker:0.0.9", Effect.RELEASE),
    ({"workers": {"max": 0}}, "workers.max", "0", Effect.AT_ONCE),
    ({"workers": {"idleTimeout": 300}}, "workers.idle_timeout_s", "300", Effect.AT_ONCE),
    ({"gpu": {"pools": ["AMPERE_48", "ADA_24"]}}, "gpu.pools", "AMPERE_48, ADA_24", Effect.RELEASE),
    ({"gpu": {"pools": ["ADA_24", "AMPERE_48"], "excludedTypes": ["NVIDIA A40"]}}, "gpu.exclude", "NVIDIA A40",
     Effect.RELEASE),
    ({"gpu": {"count": 2}}, "gpu.count", "2", Effect.RELEASE),
    ({"gpu": {"minCudaVersion": "12.1"}}, "gpu.min_cuda", "12.1", Effect.RELEASE),
    ({"gpu": {"minCudaVersion": "", "allowedCudaVersions": ["12.8"]}}, "gpu.allowed_cuda", "12.8", Effect.RELEASE),
    ({"scaling": {"type": "QUEUE_DELAY", "queueDelay": 9}}, "scaling", "queue_delay_s: 9", Effect.AT_ONCE),
    ({"scaling": {"type": "REQUEST_COUNT", "requestCount": 2}}, "scaling", "jobs_per_worker: 2", Effect.AT_ONCE),
    ({"timeout": 5000}, "execution_timeout_s", "5", Effect.AT_ONCE),
    ({"flashboot": "OFF"}, "flashboot", "off", Effect.RELEASE),
    ({"disk": 20}, "disk_gb", "20", Effect.RELEASE),
    ({"args": "bash"}, "args", "bash", Effect.RELEASE),
    ({"registry": "cred"}, "registry", "cred", Effect.RELEASE),
    ({"dataCenterIds": ["US-TX-3"]}, "data_centers", "US-TX-3", Effect.RELEASE),
    ({"networkVolumes": ["vol"]}, "network_volumes", "vol", Effect.RELEASE),
)  # fmt: skip


BROUGHT_BACK_ALONE = ("gpu.exclude", "gpu.allowed_cuda", "scaling")  # what takes others with it


async def test_each_field_that_drifts_shows_with_old_and_new_and_is_brought_back(open_account):
    async with open_account() as account:
        made = await applied(account)
        for patch, field, old, effect in DRIFTS:
            changed = await account.client.patch(f"/{made.endpoint_id}", json=patch)
            assert changed.status_code == 200, (patch, changed.text)
            shown = {change.field: change for change in (await plan(account.settings, account.clock)).changes}
            assert field in shown, patch
            assert (shown[field].old, shown[field].effect) == (old, effect)
            assert shown[field].new != old
            if field in BROUGHT_BACK_ALONE:
                await applied(account)
                assert (await plan(account.settings, account.clock)).changes == (), patch
        assert len((await plan(account.settings, account.clock)).changes) == 7
        await applied(account)
        assert (await plan(account.settings, account.clock)).changes == ()
        assert len(await account.endpoints()) == 1


async def test_values_of_the_environment_are_shown_only_where_the_file_shows_them(open_account):
    async with open_account() as account:
        made = await applied(account)
        env = {"RUNPOD_INIT_TIMEOUT": "420", "BUCKET_SECRET_ACCESS_KEY": "in-the-clear", "OTHER": "hand-made"}
        await account.client.patch(f"/{made.endpoint_id}", json={"env": env})
        found = await plan(account.settings, account.clock)
        shown = {change.field: (change.old, change.new) for change in found.changes}
        await applied(account)
        [there] = await account.endpoints()
    assert shown == {
        "env.RUNPOD_INIT_TIMEOUT": ("420", "800"),
        "env.BUCKET_SECRET_ACCESS_KEY": ("(hidden)", "{{ RUNPOD_SECRET_bucket }}"),
        "env.OTHER": ("(hidden)", None),
    }
    assert "in-the-clear" not in repr(found)
    assert set(there["env"]) == {"RUNPOD_INIT_TIMEOUT", "BUCKET_SECRET_ACCESS_KEY"}


async def test_a_name_that_several_have_is_refused_with_their_ids_and_an_id_says_which(open_account):
    async with open_account() as account:
        ids = [(await account.create()).json()["id"], (await account.create(name="sprites -fb")).json()["id"]]
        with pytest.raises(Refused, match=f"2 endpoints are called sprites: {ids[0]}, {ids[1]}"):
            await plan(account.settings, account.clock)
        with pytest.raises(Refused):
            await applied(account)
        assert (await applied(account, endpoint_id=ids[1])).endpoint_id == ids[1]
        images = {one["id"]: one["image"] for one in await account.endpoints()}
    assert images == {ids[0]: "x/y:1.0", ids[1]: "studio/assetmill-worker:0.1.0"}


async def test_an_id_of_an_endpoint_of_another_name_reaches_nothing(open_account):
    async with open_account() as account:
        theirs = (await account.create(name="somebody else's")).json()["id"]
        before = await account.endpoints()
        for reach in (applied(account, theirs), scaled(account, theirs)):
            with pytest.raises(Refused, match="and the file is about sprites; nothing was changed"):
                await reach
        for no_id in ("", "../pods", f"{theirs}/workers", f"{theirs}?x"):
            with pytest.raises(UsageError, match="is no endpoint id"):
                await applied(account, no_id)
        assert await account.endpoints() == before


async def scaled(account, endpoint_id):
    async with managing(account.settings, account.clock) as api:
        return await scale(api, (await one_called(api, "sprites", endpoint_id))["id"], 0)


async def test_one_that_somebody_has_made_by_hand_is_adopted(open_account):
    async with open_account() as account:
        by_hand = (await account.create(name="sprites -fb")).json()["id"]
        done = await applied(account)
        assert (done.endpoint_id, done.made) == (by_hand, False)
        assert len(await account.endpoints()) == 1


async def test_a_load_balancer_of_this_name_is_refused(open_account):
    async with open_account() as account:
        await account.create(type="LOAD_BALANCER", scaling={"type": "REQUEST_COUNT", "requestCount": 2})
        with pytest.raises(Refused, match="is no queue with GPUs"):
            await plan(account.settings, account.clock)


async def test_what_an_hour_and_a_day_cost_at_most_goes_by_the_dearest_pool(open_account, endpoint_file):
    endpoint_file.write_text(endpoint_file.read_text().replace("min: 0", "min: 1"))
    async with open_account() as account:
        found = await plan(account.settings, account.clock)
    assert found.usd_per_s == (Decimal("0.00031"), Decimal("0.00034"))
    assert found.most_usd_per_hour == Decimal("0.00034") * 3600 * 3
    assert found.always_usd_per_day == Decimal("0.00034") * 86_400
    assert "1 workers are always on" in found.notes[0]
    endpoint_file.write_text(endpoint_file.read_text().replace("AMPERE_48", "ADA_32_PRO"))
    async with open_account() as account:
        unpublished = await plan(account.settings, account.clock)
    assert (unpublished.usd_per_s, unpublished.most_usd_per_hour) == ((Decimal("0.00031"), None), None)


CREATE_FAULTS = (Kind.LOST_ANSWER, Kind.GARBLED_ANSWER, Kind.RESET)


@pytest.mark.parametrize("kind", CREATE_FAULTS)
async def test_a_create_whose_answer_is_lost_is_looked_for_and_never_sent_twice(open_account, kind):
    fault = Rule(kind, operation="endpoints-create", times=1)
    async with open_account(faults=Faults((fault,))) as account:
        done = await applied(account)
        [there] = await account.endpoints()
        assert account.pod.injected() == {kind.value: 1}
    assert (done.endpoint_id, done.made, done.found_again) == (there["id"], True, True)


@pytest.mark.parametrize("kind", (Kind.BAD_GATEWAY, Kind.LOST_REQUEST))
async def test_a_create_that_never_arrived_is_not_sent_again_by_itself(open_account, kind):
    async with open_account(faults=Faults((Rule(kind, operation="endpoints-create", times=1),))) as account:
        with pytest.raises(OutcomeUnknown, match="nothing was sent again"):
            await applied(account)
        assert sum(account.naps) >= 30, "it had time to show up"
        assert await account.endpoints() == []
        assert (await applied(account)).made


async def test_a_create_that_may_have_succeeded_stays_unknown_while_nobody_can_look(open_account):
    """Told as a list that cannot be read, it would be taken for one that was never sent."""
    lost = Rule(Kind.LOST_ANSWER, operation="endpoints-create", times=1)
    away = Rule(Kind.BAD_GATEWAY, operation="endpoints-list", after=2)
    async with open_account(faults=Faults((lost, away))) as account:
        with pytest.raises(OutcomeUnknown, match="nothing was sent again"):
            await applied(account)
    away = Rule(Kind.BAD_GATEWAY, operation="endpoints-list", after=2, times=4)
    async with open_account(faults=Faults((lost, away))) as account:
        assert (await applied(account)).found_again, "away for the first look only"
        assert len(await account.endpoints()) == 1


async def test_too_many_calls_are_waited_for_as_long_as_the_answer_says(open_account):
    fault = Rule(Kind.THROTTLE, operation="endpoints-create", times=1, seconds=12.0)
    async with open_account(faults=Faults((fault,))) as account:
        assert (await applied(account)).made
        assert account.naps == [12.0]
        assert len(await account.endpoints()) == 1


async def test_a_window_that_is_used_up_is_waited_for_before_the_next_call(open_account):
    async with open_account(management_quotas=(Quota("day", 99, 86_400), Quota("minute", 2, 50))) as account:
        with pytest.raises(ProviderAway, match="HTTP 429 rate limit exceeded"):
            await applied(account)
        assert 49 <= account.naps[0] <= 50
    async with open_account(management_quotas=(Quota("hour", 2, 3600),)) as account:
        with pytest.raises(ProviderAway, match="RunPod takes no more calls of this account for "):
            await applied(account)
        assert account.naps == [], "nobody waits for an hour"


async def test_reads_and_updates_are_tried_again_and_a_refusal_is_told_in_its_words(open_account, endpoint_file):
    broken = (Rule(Kind.BAD_GATEWAY, operation="endpoints-list", times=2),
              Rule(Kind.LOST_ANSWER, operation="endpoints-update", times=1))  # fmt: skip
    async with open_account(faults=Faults(broken)) as account:
        by_hand = (await account.create()).json()["id"]
        assert (await applied(account)).endpoint_id == by_hand
        endpoint_file.write_text(endpoint_file.read_text().replace("max: 3", "max: 50"))
        with pytest.raises(ProviderRefused, match="above the account's quota of 5") as caught:
            await applied(account)
        assert caught.value.exit_code == 4


async def test_the_wrong_key_is_refused_and_never_repeated(open_account, make_settings):
    async with open_account() as account:
        wrong = make_settings(account.settings.runpod_management_url, RUNPOD_API_KEY="wrong-key-of-somebody")
        with pytest.raises(ProviderRefused, match="HTTP 401") as caught:
            await plan(wrong, account.clock)
    assert "wrong-key-of-somebody" not in str(caught.value)


async def test_workers_are_scaled_and_the_least_never_stays_above_the_most(open_account):
    async with open_account() as account:
        endpoint_id = (await account.create(workers={"min": 2, "max": 3})).json()["id"]
        async with managing(account.settings, account.clock) as api:
            assert await scale(api, endpoint_id, 0) == (3, 0)
            assert await scale(api, endpoint_id, 0) == (0, 0)
        [there] = await account.endpoints()
    assert (there["workers"]["min"], there["workers"]["max"]) == (0, 0)


async def test_nothing_is_deleted_without_its_own_name(open_account):
    async with open_account() as account:
        await account.create(name="sprites -fb")
        async with managing(account.settings, account.clock) as api:
            endpoint = await one_called(api, "sprites", None)
            for typed in ("", "Sprites", endpoint["id"]):
                with pytest.raises(Refused, match="nothing was deleted"):
                    await delete(api, endpoint, typed)
            assert len(await account.endpoints()) == 1
            await delete(api, endpoint, "sprites")
            await delete(api, endpoint, "sprites")
            with pytest.raises(NoSuchEndpoint, match="there is no endpoint sprites"):
                await one_called(api, "sprites", None)
        assert await account.endpoints() == []


async def test_between_runs_that_scale_around_themselves_no_workers_are_no_difference(open_account, make_settings):
    async with open_account() as account:
        made = await applied(account)
        await account.client.patch(f"/{made.endpoint_id}", json={"workers": {"max": 0}})
        around = make_settings(account.settings.runpod_management_url, ASSETMILL_SCALE="around")
        resting, keeping = await plan(around, account.clock), await plan(account.settings, account.clock)
    assert resting.changes == ()
    assert "between runs" in resting.notes[-1]
    [change] = keeping.changes
    assert "RunPod lowers it by itself" in change.note


async def test_between_runs_workers_that_are_always_on_are_no_difference_and_other_fields_can_be_changed(
    open_account, make_settings, endpoint_file
):
    """Closing takes min to 0 with it: brought back alone, RunPod would refuse a least above the most."""
    endpoint_file.write_text(endpoint_file.read_text().replace("min: 0", "min: 1"))
    async with open_account() as account:
        made = await applied(account)
        around = make_settings(account.settings.runpod_management_url, ASSETMILL_SCALE="around")
        async with managing(around, account.clock) as api:
            await scale(api, made.endpoint_id, 0)
            endpoint_file.write_text(endpoint_file.read_text().replace("disk_gb: 30", "disk_gb: 40"))
            resting = await plan_with(api, load_spec(endpoint_file), around)
            await apply(api, resting, account.clock)
        [there] = await account.endpoints()
    assert [change.field for change in resting.changes] == ["disk_gb"]
    assert (there["disk"], there["workers"]["min"], there["workers"]["max"]) == (40, 0, 0)
