"""Sending one call of a pipeline, so that it is in the books before it leaves and with its job right after.

Between the two nothing stops: a cancelled run lets the call end first. A call that was refused for certain is planned
again in the books, one whose answer was lost stays intended, and only the search in `seek` may say otherwise. The
ceiling and the pauses that Scenario asks for are kept here, by waiting; for how long is bounded, because whoever waits
above cannot be stopped meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from assetmill.clock import Clock
from assetmill.errors import NotDelivered, ProviderRefused, RequestRejected, Throttled
from assetmill.providers.base import Step, StepBook, StepState
from assetmill.providers.scenario.api import ScenarioApi, UnknownHereError
from assetmill.providers.scenario.chain import Chain, MissingAssetError
from assetmill.providers.scenario.gate import CEILING_PAUSE_S, Gate
from assetmill.providers.scenario.inputs import Fitter
from assetmill.providers.scenario.refusals import CeilingReachedError
from assetmill.uninterrupted import uninterrupted

TURN_S = 60.0
"""A call waits this long for its turn before its sender is asked whether it still wants it."""

T = TypeVar("T")


class Sender:
    """Sends calls to one endpoint.

    Args:
        api: its verbs.
        book: where steps are noted.
        gate: places for jobs.
        clock: time.
    """

    def __init__(self, api: ScenarioApi, book: StepBook, gate: Gate, clock: Clock) -> None:
        self._api = api
        self._book = book
        self._gate = gate
        self._clock = clock
        self._fitter = Fitter(api.model)

    async def send(self, attempt_id: str, chain: Chain, step: Step) -> Chain:
        """Send a step that was not sent, and return the chain in which it has its job.

        The attempt holds a place for jobs afterwards; whoever sees the job's end gives it back.

        Raises:
            Throttled: its turn has not come.
            NotDelivered, RequestRejected, ProviderRefused: nothing was accepted.
            OutcomeUnknown: its answer was lost; it stays intended.
            ClaimLost, LedgerError.
        """
        body = await self.body(chain, step)
        until = self._clock.monotonic() + TURN_S
        while True:
            await self._gate.enter(attempt_id, until)
            accepted = False
            try:
                chain = await uninterrupted(self._post(attempt_id, chain, step, body))
                accepted = True
            except CeilingReachedError as error:
                self._gate.leave(attempt_id)
                self._gate.learn(error.limit)
            except Throttled as error:
                asked_s = CEILING_PAUSE_S if error.retry_after_s is None else error.retry_after_s
                self._gate.rest(asked_s)
                if self._clock.monotonic() + asked_s >= until:
                    raise
            finally:
                if not accepted:
                    self._gate.leave(attempt_id)
            if accepted:
                return chain

    async def body(self, chain: Chain, step: Step) -> Mapping[str, Any]:
        """What a step's call sends: with the assets of earlier steps, in the names of its model's inputs.

        Raises:
            RequestRejected: there is no such model, or it cannot take it; or an earlier step has made nothing.
            NotDelivered, Throttled, ProviderRefused.
        """
        try:
            return await self._fitter.fit(step.call, chain.body(step))
        except UnknownHereError:
            raise RequestRejected(
                f"Scenario knows no model {step.body.get('modelId')}", hint="check SCENARIO_MODEL"
            ) from None
        except MissingAssetError as error:
            raise RequestRejected(str(error)) from None

    async def _post(self, attempt_id: str, chain: Chain, step: Step, body: Mapping[str, Any]) -> Chain:
        intended = replace(step, state=StepState.INTENDED, intended_at=self._clock.now(), tries=step.tries + 1)
        await self._book.note(attempt_id, intended)
        try:
            started = await self._api.start(step.call, body)
        except (CeilingReachedError, Throttled, NotDelivered, RequestRejected, ProviderRefused):
            await self._book.note(attempt_id, replace(intended, state=StepState.PLANNED))
            raise
        noted = replace(intended, state=StepState.SUBMITTED, job_id=started.job_id, units=started.units)
        await self._book.note(attempt_id, noted)
        return chain.with_rows(noted)
