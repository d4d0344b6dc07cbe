"""How the local Scenario endpoint behaves: every figure in one frozen place, with where the figure comes from.

Nothing is read from the environment, and nothing listens beyond this machine unless it is said in so many words.
Where Scenario publishes nothing, the field says that the figure is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from assetmill.errors import UsageError
from assetmill.localpod.config import MIB, check_reach
from assetmill.localpod.scenario.faults import Fault
from assetmill.localpod.scenario.models import MODELS, Model
from assetmill.localpod.scenario.prices import Prices


@dataclass(frozen=True, slots=True)
class Stages:
    """How long a job stays in each status, in seconds of the endpoint's clock; drawing itself takes what it takes.

    Args:
        queued_s: in `queued`.
        warming_up_s: in `warming-up`.
        in_progress_s: in `in-progress`, at least.
        finalizing_s: in `finalizing`.
    """

    queued_s: float = 0.0
    warming_up_s: float = 0.0
    in_progress_s: float = 0.0
    finalizing_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ScenarioConfig:
    """One local Scenario endpoint.

    Args:
        api_key: name that calls must give as the user of HTTP Basic; None lets everybody on this machine in.
        secret: password that belongs to it.
        placeholders: it says that it draws placeholders: by `/draft` in its address, in each asset and in each file.
            Without, it passes for Scenario itself, which only tests want.
        host: address to listen on; a loopback one unless `allow_remote`.
        port: port to listen on; 0 takes a free one.
        parallel: jobs of one kind that may be out at once; one more is refused with 429. Plans differ; this is ours.
        painters: pictures that are drawn at once.
        stages: how long a job takes.
        url_lifetime_s: an asset's address is good for this long. Ours.
        body_bytes: largest body of a call: images up to 6 MB travel in one (docs.scenario.com, uploading assets).
        models: the models there are.
        locked_models: of these, the ones that the plan lacks.
        projects: projects that calls may name; None for any.
        cancels: a job can be cancelled. Scenario says of nearly all kinds that they cannot.
        lists_input: the listing of jobs tells what each was asked for, as `GET /jobs/{id}` does. Not documented.
        listing_lag_s: a job shows in the listing only after so long. Ours.
        prices: what calls cost, in creative units.
        faults: what goes wrong.
        faults_by_prompt: prompts may ask for faults: `fault:failure`, `fault:remove-background/cool-down*2`.
        allow_remote: listen on an address that other machines can reach; needs a key.

    Raises:
        UsageError: the figures cannot be, or the address is reachable from outside.
    """

    api_key: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    placeholders: bool = True
    host: str = "127.0.0.1"
    port: int = 0
    parallel: int = 8
    painters: int = 2
    stages: Stages = field(default_factory=Stages)
    url_lifetime_s: float = 3600.0
    body_bytes: int = 6 * MIB
    models: tuple[Model, ...] = MODELS
    locked_models: frozenset[str] = frozenset({"flux.1.1-pro-ultra"})
    projects: frozenset[str] | None = None
    cancels: bool = False
    lists_input: bool = True
    listing_lag_s: float = 0.0
    prices: Prices = field(default_factory=Prices)
    faults: tuple[Fault, ...] = ()
    faults_by_prompt: bool = False
    allow_remote: bool = False

    def __post_init__(self) -> None:
        if (self.api_key is None) != (self.secret is None):
            raise UsageError("a key of Scenario has a name and a secret", hint="give both, or neither")
        if not 1 <= self.painters <= 100 or self.parallel < 1:  # noqa: PLR2004 - more threads than any machine draws with
            raise UsageError("a local Scenario has 1 to 100 painters, and room for at least one job")
        if not 0 <= self.port <= 65_535:  # noqa: PLR2004 - TCP's own bound
            raise UsageError(f"port {self.port} cannot be", hint="0 takes a free one")
        stages = self.stages
        waits = (stages.queued_s, stages.warming_up_s, stages.in_progress_s, stages.finalizing_s)
        if min(*waits, self.url_lifetime_s, self.listing_lag_s) < 0:
            raise UsageError("a duration of the local Scenario is negative")
        check_reach(self.host, locked=self.api_key is not None, allow_remote=self.allow_remote)

    @property
    def prefix(self) -> str:
        """Path of its address: the word `draft` in it says that placeholders are drawn there."""
        return "/draft/v1" if self.placeholders else "/v1"
