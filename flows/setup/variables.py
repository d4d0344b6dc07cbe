"""Variables of the Prefect server: amounts that an operator changes in the UI, for all workers at once.

There are two, both amounts of money; everything else is a setting of the worker. A variable that exists keeps its
value. They hold no secrets: Prefect shows variables to everybody who may open its UI.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import VariableCreate
from prefect.exceptions import ObjectAlreadyExists
from prefect.variables import Variable

from assetmill.errors import UsageError
from assetmill.settings import Settings

AUTO_APPROVE = "assetmill_auto_approve_usd"
NIGHT_BUDGET = "assetmill_night_budget_usd"
UNLIMITED = "unlimited"


async def ensure_variables(client: PrefectClient, settings: Settings) -> list[str]:
    """Create the variables that are not there.

    Returns:
        What was created, in words.
    """
    first = {AUTO_APPROVE: str(settings.auto_approve_usd), NIGHT_BUDGET: UNLIMITED}
    words = []
    for name, value in first.items():
        if await client.read_variable_by_name(name) is not None:
            continue
        try:
            await client.create_variable(VariableCreate(name=name, value=value, tags=["assetmill"]))
        except ObjectAlreadyExists:  # somebody else deploys at the same time
            continue
        words.append(f"variable {name} created: {value}")
    return words


async def night_budget_usd() -> Decimal | None:
    """The most that one night may cost; None for no limit, also where the variable was never created.

    Raises:
        UsageError: it is no amount.
    """
    return amount(NIGHT_BUDGET, await Variable.aget(NIGHT_BUDGET, default=UNLIMITED))


async def auto_approve_usd(settings: Settings) -> Decimal:
    """Up to which estimate a submission runs without asking: the variable, or the setting where there is none.

    Raises:
        UsageError: it is no amount.
    """
    found = amount(AUTO_APPROVE, await Variable.aget(AUTO_APPROVE, default=str(settings.auto_approve_usd)))
    if found is None:
        raise UsageError(f"variable {AUTO_APPROVE} has no amount", hint="give it one, such as 0 or 2.50")
    return found


def amount(name: str, value: Any) -> Decimal | None:
    """US dollars as somebody has typed them in the UI: a number or its text; None for `unlimited`.

    Raises:
        UsageError: it is neither, or negative.
    """
    if value == UNLIMITED:
        return None
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        found = Decimal(-1)
    if isinstance(value, bool) or not found.is_finite() or found < 0:
        raise UsageError(f"variable {name} is no amount", hint="give it US dollars, such as 0 or 2.50, or unlimited")
    return found
