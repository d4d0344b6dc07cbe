"""What prefect.yaml asks for, read strictly: a field that nobody knows is an error, not a wish that stays silent.

prefect.yaml is the truth, and Prefect's own `prefect deploy --all` reads it too; so nothing is invented here that it
would not understand. What is read is turned into Prefect's own values; nothing talks to a server.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from prefect import Flow
from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from assetmill.errors import UsageError

FILE = "prefect.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScheduleSpec(_Part):
    """One schedule; its slug is its name on the server."""

    slug: str = Field(min_length=1)
    cron: str | None = None
    interval: timedelta | None = None
    anchor_date: datetime | None = None
    timezone: str
    active: bool = True
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_one_kind(self) -> ScheduleSpec:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("a schedule has either `cron` or `interval`")
        if (self.interval is None) != (self.anchor_date is None):
            raise ValueError("`interval` and `anchor_date` go together; without, each deploy would shift the schedule")
        self.schedule()
        return self

    def schedule(self) -> SCHEDULE_TYPES:
        """The same in Prefect's own terms."""
        if self.interval is not None and self.anchor_date is not None:
            return IntervalSchedule(interval=self.interval, anchor_date=self.anchor_date, timezone=self.timezone)
        return CronSchedule(cron=self.cron or "", timezone=self.timezone)


class LimitSpec(_Part):
    """How many runs at once, and what becomes of one too many."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"]


class PoolSpec(_Part):
    """Where runs go."""

    name: str
    job_variables: dict[str, Any] = Field(default_factory=dict)


class DeploymentSpec(_Part):
    """One deployment."""

    name: str
    description: str
    entrypoint: str = Field(pattern=r"^[a-z_.]+:[a-z_]+$")
    parameters: dict[str, Any]
    enforce_parameter_schema: bool
    tags: list[str]
    work_pool: PoolSpec
    concurrency_limit: LimitSpec
    schedules: tuple[ScheduleSpec, ...] = ()

    def flow(self) -> Flow[..., Any]:
        """The flow that it runs, imported as a worker does.

        Raises:
            UsageError: there is no such module or flow.
        """
        module, _, name = self.entrypoint.partition(":")
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError as error:
            raise UsageError(f"deployment {self.name}: {error}", hint=f"its entrypoint is {self.entrypoint}") from error
        if not isinstance(found, Flow):
            raise UsageError(f"deployment {self.name}: {module} has no flow {name}", hint=f"mend {FILE}")
        return found


class _File(_Part):
    name: str
    prefect_version: str = Field(alias="prefect-version")
    build: None = None
    push: None = None
    pull: list[dict[str, Any]] = Field(max_length=0)  # each worker has the program installed
    definitions: dict[str, Any] = Field(default_factory=dict)
    deployments: tuple[DeploymentSpec, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Specs:
    """All of the file.

    Args:
        file: where it was read.
        deployments: what it asks for.
    """

    file: Path
    deployments: tuple[DeploymentSpec, ...]

    @property
    def pools(self) -> tuple[str, ...]:
        """Names of the work pools, each once."""
        return tuple(dict.fromkeys(spec.work_pool.name for spec in self.deployments))


def default_file() -> Path:
    """prefect.yaml of this copy of assetmill: beside this module where it is installed, else that of the checkout."""
    installed = Path(__file__).with_name(FILE)
    return installed if installed.is_file() else Path(__file__).parents[2] / FILE


def read_specs(file: Path | None = None) -> Specs:
    """Read prefect.yaml.

    Args:
        file: another file of that form; None for our own.

    Raises:
        UsageError: it cannot be read, or says something that cannot be; the message says where.
    """
    path = file or default_file()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        read = _File.model_validate(document)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="--file names a prefect.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no YAML: {error}", hint="mend the file") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{path}, {_where(document, first['loc'])}: {first['msg']}", hint="mend the file") from error
    names = [spec.name for spec in read.deployments]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"{path}: two deployments are called {twice[0]}", hint="give each a name of its own")
    return Specs(path, read.deployments)


def _where(document: Any, loc: tuple[int | str, ...]) -> str:
    """A place in words, a deployment by its name instead of its number."""
    steps = list(map(str, loc)) or ["the file"]
    if loc[:1] == ("deployments",) and len(loc) > 1 and isinstance(loc[1], int):
        entry = document["deployments"][loc[1]]
        steps[1] = str(entry.get("name", loc[1])) if isinstance(entry, dict) else steps[1]
    return ".".join(steps)
