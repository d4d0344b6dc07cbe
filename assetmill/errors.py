"""The error tree: every class is a decision for whoever catches it.

::

    AssetmillError                     has a hint, and the job id if there is one
    ├── UsageError                     wrong call: mend the command                     exit 2
    ├── ManifestError                  wrong manifest: all problems, each located       exit 2
    ├── WorkflowError                  a graph breaks the node contract                 exit 2
    ├── Refused                        we will not spend this                           exit 3
    │   ├── ConsentMissing             nobody has agreed to the plan
    │   └── BudgetExceeded             the budget would be overspent
    ├── ProviderRefused                key, endpoint or permission: stop the batch      exit 4
    ├── StorageError                   store unavailable                                exit 5
    │   ├── KeyMissing                 no such key
    │   └── Conflict                   create-only or compare-and-swap lost
    ├── LedgerError                    the books are unavailable                        exit 5
    └── AttemptError                   one attempt went wrong, the batch goes on        exit 1
        ├── NotDelivered               nothing was accepted: send again
        ├── Throttled                  nothing was accepted: send again after `retry_after_s`
        ├── RequestRejected            the endpoint refused this very body: never send it again
        ├── OutcomeUnknown             perhaps accepted: find the job before sending again
        ├── JobFailed                  ran and failed, charged; `final` if the same would fail again
        ├── ResultLost                 ran, charged, and the result is gone
        ├── ResultInvalid              ran, charged, and what came back is not what was asked
        └── QueueStalled               never started; says why

An attempt that never reached a worker costs nothing; all others are charged, whatever came back.
"""

from __future__ import annotations

from typing import ClassVar


class AssetmillError(Exception):
    """Root of all errors that assetmill raises on purpose.

    Args:
        message: what happened, in one sentence.
        hint: what the reader can do about it, in one line.
        job_id: the provider's id of the job concerned, if there is one.
    """

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", job_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.job_id = job_id

    def __str__(self) -> str:
        job = f" [job {self.job_id}]" if self.job_id else ""
        return f"{self.message}{job}" + (f" ({self.hint})" if self.hint else "")


class UsageError(AssetmillError):
    """The command or call itself is wrong."""

    exit_code = 2
    code = "usage"


class WorkflowError(AssetmillError):
    """A graph, or a request bound from it, breaks the node contract."""

    exit_code = 2
    code = "workflow"


class Refused(AssetmillError):
    """assetmill will not spend this money."""

    exit_code = 3
    code = "refused"


class ConsentMissing(Refused):
    """A paid run that nobody has agreed to."""

    code = "consent_missing"


class BudgetExceeded(Refused):
    """The run would overspend its budget."""

    code = "budget_exceeded"


class ProviderRefused(AssetmillError):
    """Key, endpoint or permission is wrong: nothing more may be sent."""

    exit_code = 4
    code = "provider_refused"


class StorageError(AssetmillError):
    """The store cannot be read or written."""

    exit_code = 5
    code = "storage"


class KeyMissing(StorageError):
    """No object has this key."""

    code = "key_missing"


class Conflict(StorageError):
    """Somebody else wrote first: a create-only or compare-and-swap put lost."""

    code = "conflict"


class LedgerError(AssetmillError):
    """The ledger cannot be read or written; nothing may be sent without it."""

    exit_code = 5
    code = "ledger"


class AttemptError(AssetmillError):
    """One attempt went wrong; the rest of the batch goes on."""

    code = "attempt"


class NotDelivered(AttemptError):
    """The endpoint accepted nothing: sending again is free of risk."""

    code = "not_delivered"


class Throttled(AttemptError):
    """The endpoint said 429: send again after `retry_after_s` seconds."""

    code = "throttled"

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RequestRejected(AttemptError):
    """The endpoint refused this very request, and would refuse it again."""

    code = "request_rejected"


class OutcomeUnknown(AttemptError):
    """The request left and no answer came: the job may be running."""

    code = "outcome_unknown"


class JobFailed(AttemptError):
    """The job ran and failed.

    Args:
        message: the worker's own words, shortened.
        final: the same request would fail again (a validation error, a missing node).
        job_id: the provider's id.
        hint: what to do.
    """

    code = "job_failed"

    def __init__(self, message: str, *, final: bool, job_id: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint, job_id=job_id)
        self.final = final


class ResultLost(AttemptError):
    """The job ran and its result is gone: too large, or expired."""

    code = "result_lost"


class ResultInvalid(AttemptError):
    """What came back is not what was asked: missing outputs, or bytes that are no image."""

    code = "result_invalid"


class QueueStalled(AttemptError):
    """The job waits and no worker takes it; the message says why."""

    code = "queue_stalled"
