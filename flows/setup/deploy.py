"""Everything that a Prefect server has to have before assetmill runs there, in the order in which it is needed.

It may be run again at any time: a step that finds all in place does nothing and says nothing. Amounts, limits and
switches that an operator has set stay.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError

from assetmill.errors import UsageError
from assetmill.redaction import Redaction
from assetmill.settings import Settings
from flows.setup.automations import LEFT_OUT, ensure_automations
from flows.setup.deployments import ensure_deployments
from flows.setup.limits import endpoints_of, ensure_limits
from flows.setup.pool import ensure_pool
from flows.setup.specs import read_specs
from flows.setup.variables import ensure_variables


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deploy has done.

    Args:
        file: the prefect.yaml that was put into effect.
        deployments: names of the deployments that are in effect.
        changes: what was created, changed or removed, in words; empty if everything was in place.
        notes: what differs from the file and is an operator's to decide.
    """

    file: Path
    deployments: tuple[str, ...]
    changes: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to deploy, beside what the settings say.

    Args:
        file: another prefect.yaml than our own.
        endpoints: names, RunPod endpoint ids or addresses that get a limit, beside those of the settings.
        reset_limits: give limits that are there the value of the settings, too.
    """

    file: Path | None = None
    endpoints: tuple[str, ...] = ()
    reset_limits: bool = False


PLAIN = Wish()
API_HINT = (
    "is PREFECT_API_URL the address of its API, with /api at its end, "
    "and is it of the version that pyproject.toml asks for?"
)


def run_deploy(settings: Settings, wish: Wish = PLAIN) -> Deployed:
    """Deploy, from a program that has no event loop; see `deploy`."""
    return asyncio.run(deploy(settings, wish))


async def deploy(settings: Settings, wish: Wish = PLAIN) -> Deployed:
    """Set up the configured Prefect server.

    Args:
        settings: endpoints, who is alerted, and values that new variables begin with.
        wish: what else.

    Raises:
        UsageError, ProviderRefused: the file or an endpoint is wrong, or the server refuses something; what was done
            until then stays, and deploying again goes on.
    """
    specs = read_specs(wish.file)
    endpoints = endpoints_of(settings, wish.endpoints)
    changes: list[str] = []
    try:
        async with get_client() as client:
            for name in specs.pools:
                changes += await ensure_pool(client, name)
            changes += await ensure_limits(client, endpoints, settings, reset=wish.reset_limits)
            changes += await ensure_variables(client, settings)
            alerts = await ensure_automations(client, settings)
            applied = await ensure_deployments(client, specs)
    except PrefectHTTPStatusError as error:
        raise _refused(error, settings) from error
    except json.JSONDecodeError as error:
        raise UsageError("what answers at PREFECT_API_URL is no Prefect API", hint=API_HINT) from error
    except httpx.TransportError as error:
        raise UsageError(
            f"the Prefect server went away: {type(error).__name__}", hint="deploy again when it is there: it goes on"
        ) from error
    changes += [words for words in alerts if LEFT_OUT not in words]
    notes = [words for words in alerts if LEFT_OUT in words]
    names = tuple(spec.name for spec in specs.deployments)
    return Deployed(specs.file, names, (*changes, *applied.changes), (*notes, *applied.notes))


def _refused(error: PrefectHTTPStatusError, settings: Settings) -> UsageError:
    """What the server said, without the address, which may hold a password, and without secrets that it repeats."""
    status = error.response.status_code
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        hint = "set PREFECT_API_KEY, or PREFECT_API_AUTH_STRING for a server with basic authentication"
        return UsageError(f"the Prefect server refuses us: HTTP {status}", hint=hint)
    said = Redaction(settings.secrets).hide(error.response.content).decode(errors="replace")
    return UsageError(
        f"the Prefect server answers HTTP {status} to a {error.request.method}: {said[:500]}", hint=API_HINT
    )
