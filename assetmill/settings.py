"""Settings: read once from the environment (and an optional .env file), frozen, secrets hidden.

No other module reads the environment. Names that the studio already uses stay as they are.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from assetmill.errors import UsageError
from assetmill.storage.access import Jurisdiction, S3Access, r2_endpoint

Amount = Annotated[Decimal, Field(ge=0, lt=1_000_000, allow_inf_nan=False)]
ProviderName = Literal["draft", "runpod", "comfyui", "scenario"]
ScalePolicy = Literal["keep", "restore", "around"]


class Settings(BaseSettings):
    """Everything that the environment decides. `.env.example` lists and explains each variable."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True, env_ignore_empty=True
    )

    provider: ProviderName = Field("draft", alias="IMAGE_GENERATION_PROVIDER")
    runpod_api_key: SecretStr | None = Field(None, alias="RUNPOD_API_KEY")
    runpod_endpoint_id: str | None = Field(None, alias="RUNPOD_COMFYUI_ENDPOINT_ID")
    runpod_custom_endpoint_id: str | None = Field(None, alias="RUNPOD_COMFYUI_CUSTOM_ENDPOINT_ID")
    runpod_api_url: str = Field("https://api.runpod.ai/v2", alias="RUNPOD_API_URL")
    runpod_management_url: str = Field("https://api.runpod.io/v2", alias="RUNPOD_MANAGEMENT_URL")
    scenario_api_key: SecretStr | None = Field(None, alias="SCENARIO_API_KEY")
    scenario_secret: SecretStr | None = Field(None, alias="SCENARIO_SECRET_API_KEY")
    scenario_api_url: str = Field("https://api.cloud.scenario.com/v1", alias="SCENARIO_API_URL")
    scenario_project_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] | None = Field(
        None, alias="SCENARIO_PROJECT_ID"
    )
    scenario_model: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = Field("flux.1-dev", alias="SCENARIO_MODEL")
    scenario_max_jobs: Annotated[int, Field(ge=1, le=100)] = Field(4, alias="SCENARIO_MAX_JOBS")
    scenario_usd_per_unit: Amount | None = Field(None, alias="SCENARIO_USD_PER_UNIT")
    comfyui_url: str | None = Field(None, alias="COMFYUI_URL")
    comfyui_api_key: SecretStr | None = Field(None, alias="COMFYUI_API_KEY")
    comfyui_usd_per_hour: Amount | None = Field(None, alias="COMFYUI_USD_PER_HOUR")
    own_gpu_usd_per_hour: Amount | None = Field(None, alias="OWN_GPU_USD_PER_HOUR")
    routes: str = Field("", alias="ASSETMILL_ROUTES")
    provider_rest_s: Annotated[float, Field(ge=0, le=86_400)] = Field(600.0, alias="ASSETMILL_PROVIDER_REST_S")

    home: Path = Field(Path("out"), alias="ASSETMILL_HOME")
    store: str | None = Field(None, alias="ASSETMILL_STORE_URL")
    ledger: str | None = Field(None, alias="ASSETMILL_LEDGER_URL")
    channel: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = Field("main", alias="ASSETMILL_CHANNEL")
    strip_provenance: bool = Field(False, alias="ASSETMILL_STRIP_PROVENANCE")

    endpoint_file: Path = Field(Path("runpod-worker/endpoint.yaml"), alias="ASSETMILL_ENDPOINT_FILE")
    scale: ScalePolicy = Field("keep", alias="ASSETMILL_SCALE")

    max_workers: Annotated[int, Field(ge=1, le=100)] = Field(3, alias="ASSETMILL_MAX_WORKERS")
    queue_ahead: Annotated[int, Field(ge=0, le=10)] = Field(1, alias="ASSETMILL_QUEUE_AHEAD")
    gpu_pool: str | None = Field(None, alias="ASSETMILL_GPU_POOL")
    model_identity: str = Field("flux1-dev-fp8", alias="ASSETMILL_MODEL_IDENTITY")
    custom_model_identity: str | None = Field(None, alias="ASSETMILL_CUSTOM_MODEL_IDENTITY")
    execution_timeout_s: Annotated[int, Field(ge=5, le=604_800)] = Field(600, alias="ASSETMILL_EXECUTION_TIMEOUT_S")
    job_ttl_s: Annotated[int, Field(ge=10, le=604_800)] = Field(86_400, alias="ASSETMILL_JOB_TTL_S")
    run_budget_usd: Amount | None = Field(None, alias="ASSETMILL_RUN_BUDGET_USD")
    game_budget_usd: Amount | None = Field(None, alias="ASSETMILL_GAME_BUDGET_USD")
    month_budget_usd: Amount | None = Field(None, alias="ASSETMILL_MONTH_BUDGET_USD")
    draft_seconds: Annotated[float, Field(ge=0, le=600)] = Field(0.0, alias="ASSETMILL_DRAFT_SECONDS")
    queue_stall_s: Annotated[int, Field(ge=10)] = Field(900, alias="ASSETMILL_QUEUE_STALL_S")
    lease_s: Annotated[float, Field(ge=1, le=3600)] = Field(30.0, alias="ASSETMILL_LEASE_S")
    resend_unknown: Annotated[int, Field(ge=0, le=5)] = Field(1, alias="ASSETMILL_RESEND_UNKNOWN")
    worker_idle_s: Annotated[float, Field(ge=0, le=3600)] = Field(20.0, alias="ASSETMILL_WORKER_IDLE_S")
    look_for_s: Annotated[float, Field(ge=0, le=600)] = Field(60.0, alias="ASSETMILL_LOOK_FOR_S")

    r2_account_id: str | None = Field(None, alias="R2_ACCOUNT_ID")
    r2_jurisdiction: Jurisdiction = Field("", alias="R2_JURISDICTION")
    r2_access_key_id: SecretStr | None = Field(
        None, validation_alias=AliasChoices("R2_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID")
    )
    r2_secret_access_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("R2_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY")
    )
    store_endpoint_url: str | None = Field(None, alias="ASSETMILL_STORE_ENDPOINT_URL")
    store_ca_file: Path | None = Field(None, alias="ASSETMILL_STORE_CA_FILE")
    public_url: str | None = Field(None, alias="ASSETMILL_PUBLIC_URL")

    submissions_folder: Path | None = Field(None, alias="ASSETMILL_SUBMISSIONS_FOLDER")
    submission_quiet_s: Annotated[float, Field(ge=0, le=3600)] = Field(10.0, alias="ASSETMILL_SUBMISSION_QUIET_S")
    auto_approve_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Field(
        Decimal(0), alias="ASSETMILL_AUTO_APPROVE_USD"
    )
    approval_hours: Annotated[float, Field(gt=0, le=8760)] = Field(72.0, alias="ASSETMILL_APPROVAL_HOURS")

    serve_key: SecretStr | None = Field(None, alias="ASSETMILL_SERVE_KEY")
    prefect_api_url: str | None = Field(None, alias="PREFECT_API_URL")
    alert_block: Annotated[str, Field(pattern=r"^[a-z0-9-]+/[A-Za-z0-9 _.-]+$")] | None = Field(
        None, alias="ASSETMILL_ALERT_BLOCK"
    )
    alert_url: SecretStr | None = Field(None, alias="ASSETMILL_ALERT_URL")

    @property
    def store_url(self) -> str:
        """Where blobs and packs go: `file:///folder` or `s3://bucket/prefix`."""
        return self.store or (self.home.resolve() / "store").as_uri()

    @property
    def store_access(self) -> S3Access | None:
        """How to reach the store when it is an s3:// one; None for others.

        Raises:
            UsageError: a variable that such a store needs is not set, or cannot be.
        """
        if not self.store_url.lower().startswith("s3://"):
            return None
        endpoint = self.store_endpoint_url or r2_endpoint(self._needed("r2_account_id"), self.r2_jurisdiction)
        key, secret = self._needed("r2_access_key_id"), self._needed("r2_secret_access_key")
        return S3Access(endpoint, key, secret, public_url=self.public_url, ca_file=self.store_ca_file)

    def _needed(self, name: str) -> str:
        """Value of a setting that an s3:// store cannot do without."""
        value = getattr(self, name)
        variable = variables_of(name)[0]
        if value is None:
            raise UsageError(f"{variable} is not set", hint="an s3:// store needs it; .env.example explains it")
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if text != text.strip():  # stripped here, it would slip past whoever hides the secret as it was set
            raise UsageError(f"{variable} begins or ends with a space", hint="paste it again without")
        return text

    @property
    def ledger_url(self) -> str:
        """Database of the results table."""
        return self.ledger or f"sqlite:///{self.home.resolve() / 'ledger.db'}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values of all secrets that are set, for whoever has to hide them."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        UsageError: a variable has a value that cannot be; the message names it, never its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise UsageError(
            f"environment variable {first['loc'][0]}: {first['msg']}", hint=".env.example explains every variable"
        ) from None


def variables_of(name: str) -> tuple[str, ...]:
    """Environment variables that a setting is read from, the first that is set winning."""
    alias = Settings.model_fields[name].validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def child_environment(extra: dict[str, str]) -> dict[str, str]:
    """Our environment and some more, for a program of ours; keys of providers and stores are left out."""
    secret = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    hidden = {variable for name in secret for variable in variables_of(name)}
    return {name: value for name, value in os.environ.items() if name not in hidden} | extra


def set_environment(values: dict[str, str]) -> None:
    """Set variables for a library that reads its own when it is imported; only the command line calls this."""
    os.environ.update(values)


def reach_this_machine_directly() -> None:
    """Let no proxy come between us and servers on this machine; programs that we start inherit it."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    direct = ",".join(filter(None, (known, "127.0.0.1,localhost,::1")))
    set_environment({"no_proxy": direct, "NO_PROXY": direct})
