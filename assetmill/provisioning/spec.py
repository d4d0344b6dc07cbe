"""What the endpoint file says: one endpoint at RunPod, as it should be.

The names are the file's; what RunPod calls them stands in `fields`. What the models cannot say of one field alone
(an image that is no version, a pool that is too small, a secret in a file) is judged in `flaws`. Nothing here reads a
file or asks a network.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LEAST_MEMORY_GB = 24
"""FLUX with its text encoders in 8 bits, and what cuts pictures out beside it."""

FLASHBOOT_SUFFIX = " -fb"
"""RunPod's older APIs keep FlashBoot in the name. Source: docs.runpod.io, sdks/graphql/manage-endpoints."""

Text = Annotated[str, Field(min_length=1, max_length=500)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Gpu(_Part):
    """Which GPUs its workers may get.

    `pools` in the order in which they are wanted; `exclude` takes models out of them by RunPod's id.
    """

    pools: Annotated[Texts, Field(min_length=1, max_length=20)]
    count: Annotated[int, Field(ge=1, le=8)] = 1
    exclude: Texts = ()
    min_cuda: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None


class Workers(_Part):
    """How many there may be; `min` above 0 is paid day and night."""

    min: Annotated[int, Field(ge=0, le=100)] = 0
    max: Annotated[int, Field(ge=0, le=100)] = 3
    idle_timeout_s: Annotated[int, Field(ge=1, le=3600)] | None = None


class Scaling(_Part):
    """When a worker is added: jobs that have waited so long, or so many jobs for each worker."""

    queue_delay_s: Annotated[float, Field(ge=0.5, le=3600)] | None = None
    jobs_per_worker: Annotated[int, Field(ge=1, le=1000)] | None = None


class EndpointSpec(_Part):
    """The whole file."""

    version: Literal[1] = 1
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9._-])?$")]
    image: Text
    registry: Text | None = None
    disk_gb: Annotated[int, Field(ge=1, le=2000)] = 20
    gpu: Gpu
    workers: Workers = Workers()
    scaling: Scaling = Scaling()
    execution_timeout_s: Annotated[int, Field(ge=5, le=604_800)] = 600
    flashboot: Literal["off", "on", "priority"] = "on"
    data_centers: Texts = ()
    network_volumes: Texts = ()
    env: dict[Variable, Annotated[str, Field(max_length=5000)]] = Field(default_factory=dict, repr=False)
