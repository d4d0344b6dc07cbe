"""The ledger's tables, as the newest schema has them.

`attempts` is the results table: one row per request that may cost money, never deleted, final once
settled. `runs` and `finishes` hang on it; `seats` says which runs share an endpoint now, and is no record of
anything. `workers` are lives of paid workers as an endpoint's listing told them, `bills` what the provider has
billed for an hour, and `budget_warnings` which warnings were told already. `steps` are the calls of attempts that take
several, `outages` and `abilities` what was found out about endpoints, `votes` what people said of pictures side by
side. A change here needs a migration that only adds; a test compares these tables with what the migrations make.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

from assetmill.ledger.columns import Usd, UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

SPENT = ("cost_estimate_usd", "reserved_usd", "cost_high_usd", "planned_high_usd")
"""What a budget's sum is made of."""

runs = Table(
    "runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("game", String(64), nullable=False, index=True),
    Column("pack", String(64), nullable=False),
    Column("manifest", Text, nullable=False),
    Column("provider", String(32), nullable=False),
    Column("endpoint", String(200), nullable=False),
    Column("draft", Boolean, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("state", String(32), nullable=False),  # running, and then what the flow says it ended as
    Column("kept", Integer),
    Column("failed", Integer),
    Column("cached", Integer),
)

attempts = Table(
    "attempts",
    metadata,
    Column("attempt_id", String(64), primary_key=True),
    Column("run_id", String(64), ForeignKey("runs.run_id"), nullable=False, index=True),
    Column("game", String(64), nullable=False),
    Column("pack", String(64), nullable=False),
    Column("asset_id", String(200), nullable=False),
    Column("asset_type", String(32), nullable=False),
    Column("candidate", Integer, nullable=False),
    Column("try_no", Integer, nullable=False),
    Column("fingerprint", String(128), nullable=False, index=True),
    Column("inputs", Text, nullable=False),  # canonical JSON
    Column("status", String(16), nullable=False, index=True),
    Column("provider", String(32), nullable=False),
    Column("endpoint", String(200), nullable=False),
    Column("endpoint_url", Text, nullable=False),
    Column("job_id", Text),
    Column("worker_id", Text),
    Column("gpu", Text),
    Column("seed", BigInteger, nullable=False),
    Column("workflow", String(100), nullable=False),
    Column("workflow_hash", String(128), nullable=False),
    Column("width", Integer, nullable=False),  # asked of the worker
    Column("height", Integer, nullable=False),
    Column("expected_outputs", Text, nullable=False),  # JSON: role -> filename prefix
    Column("intended_at", UtcDateTime, nullable=False, index=True),
    Column("submitted_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("collected_at", UtcDateTime),
    Column("settled_at", UtcDateTime),
    Column("queue_ms", BigInteger),
    Column("execution_ms", BigInteger),
    Column("download_ms", BigInteger),
    Column("finish_ms", BigInteger),
    Column("upload_ms", BigInteger),
    Column("latency_ms", BigInteger),
    Column("price_per_s_usd", Usd),
    Column("price_source", Text, nullable=False),
    Column("cost_low_usd", Usd),
    Column("cost_estimate_usd", Usd),
    Column("cost_high_usd", Usd),
    Column("cost_source", Text),
    Column("outputs", Text, nullable=False),  # JSON: role -> key, sha256, bytes, width, height
    Column("bytes", BigInteger),  # of all raw images together
    Column("sha256", String(64)),  # of the main image, as is the key
    Column("key", Text),
    Column("quality_score", Float),
    Column("error_class", String(64)),
    Column("error_text", Text),
    Column("draft", Boolean, nullable=False),
    Column("retry_of", String(64)),  # the attempt of this run that it replaces
    Column("planned_usd", Usd),  # what the plan said that it costs
    Column("planned_high_usd", Usd),
    Column("owner", String(64)),  # who looks after it while it is open
    Column("owner_place", Text),
    Column("claimed_until", UtcDateTime),
    Column("cold", Boolean),  # the first job of its worker: it carries start, model load and idle tail
    Column("start_ms", BigInteger),  # start of the worker that the job caused, as far as it is known
    Column("gap_ms", BigInteger),  # the worker stood idle, and was paid for, between the job before and this one
    Column("idle_ms", BigInteger),  # the worker's idle tail, carried by the job that started it
    Column("reserved_usd", Usd),  # set aside within the budgets while it is open
    Column("units", Float),  # of a provider that has a currency of its own, as it told them
    Column("instead_of", String(200)),  # the endpoint that was asked for and could not; None for who was asked first
    Column("instead_why", Text),
    Index(None, "owner", "status"),
    Index(None, "endpoint_url", "worker_id", "started_at"),
    Index(None, "game", "asset_id"),
    Index(None, "game", "status"),
    Index(None, "game", "fingerprint"),  # asked for at every intent: by status it would be read through a whole game
    # The newest times of a workflow, and of workers' first jobs, for the estimates of a plan.
    Index(None, "workflow", "draft", "settled_at"),
    Index(None, "cold", "draft", "settled_at"),
    # Sums of a budget's attempts are read from an index alone: a row itself is long.
    *(
        Index(f"ix_attempts_spent_by_{name}", *first, "intended_at", "status", *SPENT)
        for name, first in (("run", ("run_id",)), ("game", ("game",)), ("time", ()))
    ),
    # The endpoint's ids are unique; rows that have none yet (NULL) do not collide.
    Index("uq_attempts_endpoint_job_id", "endpoint", "job_id", unique=True),
)

finishes = Table(
    "finishes",
    metadata,
    Column("attempt_id", String(64), ForeignKey("attempts.attempt_id"), primary_key=True),
    Column("finish_fingerprint", String(128), primary_key=True),
    Column("game", String(64), nullable=False, index=True),
    Column("run_id", String(64), ForeignKey("runs.run_id"), nullable=False),
    Column("files", Text, nullable=False),  # JSON: role -> key, sha256, bytes, width, height
    Column("sheet_key", Text),
    Column("inputs", Text, nullable=False),  # canonical JSON
    Column("quality", Text, nullable=False),  # JSON
    Column("finished_at", UtcDateTime, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("endpoint_url", String(500), primary_key=True),
    Column("worker_id", String(200), primary_key=True),
    Column("first_seen_at", UtcDateTime, primary_key=True),
    Column("last_seen_at", UtcDateTime, nullable=False),
    Column("up_since", UtcDateTime),
    Column("ready_at", UtcDateTime),
    Column("gpu", Text),
    Column("price_per_s_usd", Usd),
    Column("price_source", Text, nullable=False),
    Column("idle_timeout_s", Float),
)

bills = Table(
    "bills",
    metadata,
    Column("endpoint_url", String(500), primary_key=True),
    Column("began_at", UtcDateTime, primary_key=True),
    Column("ended_at", UtcDateTime, nullable=False),
    Column("total_usd", Usd, nullable=False),
    Column("gpu_usd", Usd),
    Column("cpu_usd", Usd),
    Column("disk_usd", Usd),
    Column("fee_usd", Usd),
    Column("asked_at", UtcDateTime, nullable=False),
)

budget_warnings = Table(
    "budget_warnings",
    metadata,
    Column("scope", String(200), primary_key=True),
    Column("percent", Integer, primary_key=True),
    Column("told_at", UtcDateTime, nullable=False),
)

seats = Table(
    "seats",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("limit_name", String(200), nullable=False, index=True),
    Column("priority", String(16), nullable=False),
    Column("wants", Integer, nullable=False),
    Column("held", Integer, nullable=False),
    Column("place", Text, nullable=False),
    Column("leases", Text, nullable=False),  # JSON
    Column("began_at", UtcDateTime, nullable=False),
    Column("served_at", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

steps = Table(
    "steps",
    metadata,
    Column("attempt_id", String(64), ForeignKey("attempts.attempt_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("call", String(64), nullable=False),
    Column("body", Text, nullable=False),  # JSON
    Column("roles", Text, nullable=False),  # JSON
    Column("paid", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("job_id", String(200), index=True),
    Column("assets", Text, nullable=False),  # JSON
    Column("units", Float),
    Column("tries", Integer, nullable=False),
    Column("intended_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("queue_ms", BigInteger),
    Column("execution_ms", BigInteger),
)

outages = Table(
    "outages",
    metadata,
    Column("endpoint_url", String(500), primary_key=True),
    Column("since", UtcDateTime, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    Column("why", Text, nullable=False),
)

abilities = Table(
    "abilities",
    metadata,
    Column("endpoint_url", String(500), primary_key=True),
    Column("workflow", String(100), primary_key=True),
    Column("workflow_hash", String(128), nullable=False),  # an answer holds for the graph that was asked about
    Column("able", Boolean),  # None: the probe could not tell
    Column("why", Text, nullable=False),
    Column("missing", Text, nullable=False),  # JSON
    Column("units", Float),
    Column("asked_at", UtcDateTime, nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("comparison", String(64), primary_key=True),
    Column("asset_id", String(200), primary_key=True),
    Column("candidate", Integer, primary_key=True),
    Column("voter", String(64), primary_key=True),
    Column("choice", String(200), nullable=False),  # name of an endpoint, or a word for neither
    Column("note", Text, nullable=False),
    Column("voted_at", UtcDateTime, nullable=False),
)
