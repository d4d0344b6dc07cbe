"""The error tree: every class is a decision for whoever catches it.

::

    AssetmillError                     has a hint, and the job id if there is one
    ├── UsageError                     wrong call: mend the command                     exit 2
    ├── ManifestError                  wrong manifest: all problems, each located       exit 2
    ├── WorkflowError                  a graph breaks the node contract                 exit 2
    ├── Refused                        we will not spend this                           exit 3
    │   ├── ConsentMissing             nobody has agreed to the plan
    │   └── BudgetExceeded             the budget would be overspent
    │       └── BudgetTaken            what is left of it is set aside for jobs that are out: wait for them
    ├── ProviderRefused                key, endpoint or permission: stop the batch      exit 4
    │   ├── NoSuchEndpoint             the account has none of this id
    │   ├── ProviderAway               out of reach, or takes nothing: stop the batch, for now
    │   └── ProviderFailing            jobs fail one after another: stop the batch
    ├── StorageError                   store unavailable                                exit 5
    │   ├── KeyMissing                 no such key
    │   ├── Conflict                   create-only or compare-and-swap lost
    │   ├── FilesGone                  files that a pack needs are not in the store
    │   ├── StoreRefused               key, secret, permission or jurisdiction is wrong
    │   ├── BucketMissing              no such bucket at this address
    │   ├── ClockSkewed                this machine's clock is off, and so are its signatures
    │   ├── StoreFull                  no room for more
    │   ├── StoreBusy                  too many requests, even after waiting: try again later
    │   └── StoreUnreachable           no answer, or a failing one: try again
    ├── LedgerError                    the books are unavailable                        exit 5
    │   ├── AlreadyTaken               another attempt is at this very picture, or has made it
    │   ├── UnknownTooOften            nobody knows what became of its requests: a person decides
    │   └── ClaimLost                  another process looks after this attempt now: leave it alone
    ├── Stopped                        somebody asked the run to end                    exit 130
    └── AttemptError                   one attempt went wrong, the batch goes on        exit 1
        ├── NotDelivered               nothing was accepted: send again
        │   ├── NeverArrived           it left and got lost on the way, which is proven: send again
        │   └── OutOfSight             the endpoint no longer tells of a job that it has: it stays open
        ├── Throttled                  nothing was accepted: send again after `retry_after_s`
        ├── RequestRejected            the endpoint refused this very body: never send it again
        │   └── RequestTooLarge        it is larger than the endpoint takes, and was not even sent
        ├── OutcomeUnknown             perhaps accepted: find the job before sending again
        ├── JobFailed                  ran and failed, charged
        │   ├── WorkerFault            the worker broke: its GPU, or ComfyUI died on it
        │   ├── StartupFailed          ComfyUI never came up on the worker
        │   ├── ExecutionFailed        a node raised, and would again
        │   ├── ValidationFailed       the worker refuses the graph, and would again
        │   ├── TimedOut               it took too long on a worker, or waited too long for one
        │   └── CancelledElsewhere     somebody else withdrew it
        ├── ResultLost                 ran, charged, and the result is gone
        │   ├── ResultTooLarge         completed, but the result could not be handed over; nor could the next
        │   └── ResultExpired          the endpoint has forgotten the job
        ├── ResultInvalid              ran, charged, and what came back is not what was asked
        │   ├── InvalidImage           bytes that are no image
        │   ├── BlankImage             an image of nothing: bad pixels
        │   ├── WrongCount             not as many images as were asked for
        │   └── DraftAnswer            a placeholder where real art was asked
        └── QueueStalled               never started; says why; ends the run                exit 4

An attempt that never reached a worker costs nothing; all others are charged, whatever came back. What is sent
again, how often and with what change stands in `providers.retry`, by these classes.
"""

from __future__ import annotations

from collections.abc import Collection
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
    """The run would overspend a budget. `scope` is the key of that budget, where it is a certain one."""

    code = "budget_exceeded"

    def __init__(self, message: str, *, hint: str = "", job_id: str | None = None, scope: str = "") -> None:
        super().__init__(message, hint=hint, job_id=job_id)
        self.scope = scope


class BudgetTaken(BudgetExceeded):
    """No room in the budget as long as jobs are out: their reservations may come free."""

    code = "budget_taken"


class ProviderRefused(AssetmillError):
    """Key, endpoint or permission is wrong: nothing more may be sent. `passing`: time alone may mend it."""

    exit_code = 4
    code = "provider_refused"
    passing: ClassVar[bool] = False


class NoSuchEndpoint(ProviderRefused):
    """The account has no endpoint of this id."""

    code = "no_such_endpoint"


class ProviderAway(ProviderRefused):
    """It is out of reach, or takes nothing: nothing more is sent for now."""

    code = "provider_away"
    passing = True


class ProviderFailing(ProviderRefused):
    """Jobs fail one after another, whatever they ask: more would only cost more."""

    code = "provider_failing"
    passing = True


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


class FilesGone(StorageError):
    """Files that a pack needs are not in the store: it is not published.

    Args:
        message: whose files.
        keys: where they should be.
        hint: what to do.
    """

    code = "files_gone"

    def __init__(self, message: str, *, keys: Collection[str], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.keys = frozenset(keys)


class StoreRefused(StorageError):
    """The store knows the request and forbids it: wrong key, secret, permission or jurisdiction."""

    code = "store_refused"


class BucketMissing(StorageError):
    """The store has no such bucket: wrong name, account or jurisdiction."""

    code = "bucket_missing"


class ClockSkewed(StorageError):
    """The store takes no signature of this machine, whose clock is minutes off."""

    code = "clock_skewed"


class StoreFull(StorageError):
    """The disk, the quota or the store has no room left; what was being written is not there."""

    code = "store_full"


class StoreBusy(StorageError):
    """The store asked to slow down, again and again: the same request may pass later."""

    code = "store_busy"


class StoreUnreachable(StorageError):
    """No connection, no answer, or the answer of a server in trouble: the same request may pass later."""

    code = "store_unreachable"


class LedgerError(AssetmillError):
    """The ledger cannot be read or written; nothing may be sent without it."""

    exit_code = 5
    code = "ledger"


class AlreadyTaken(LedgerError):
    """This very picture is being paid for, or is paid for already: wait for that attempt.

    Args:
        message: who has it.
        attempt_id: the attempt that has it.
    """

    code = "already_taken"

    def __init__(self, message: str, *, attempt_id: str) -> None:
        super().__init__(message)
        self.attempt_id = attempt_id


class UnknownTooOften(LedgerError):
    """So many requests for this picture had no answer that another one is not sent without a person's word."""

    code = "unknown_too_often"


class ClaimLost(LedgerError):
    """Another process looks after this attempt: whatever is known of it here is that one's to write."""

    code = "claim_lost"


class Stopped(AssetmillError):
    """Somebody asked the run to end: nothing more is sent, what is out is collected."""

    exit_code = 130
    code = "stopped"


class AttemptError(AssetmillError):
    """One attempt went wrong; the rest of the batch goes on."""

    code = "attempt"


class NotDelivered(AttemptError):
    """The endpoint accepted nothing: sending again is free of risk."""

    code = "not_delivered"


class OutOfSight(NotDelivered):
    """Its endpoint no longer tells of a job that it has: it may go on, and be charged."""

    code = "out_of_sight"


class NeverArrived(NotDelivered):
    """The request left, no answer came, and it is proven that the endpoint has no such job."""

    code = "never_arrived"


class Throttled(AttemptError):
    """The endpoint said 429: send again after `retry_after_s` seconds."""

    code = "throttled"

    def __init__(self, message: str, *, retry_after_s: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RequestRejected(AttemptError):
    """The endpoint refused this very request, and would refuse it again."""

    code = "request_rejected"


class RequestTooLarge(RequestRejected):
    """The request is larger than the endpoint takes; it was not sent."""

    code = "request_too_large"


class OutcomeUnknown(AttemptError):
    """The request left and no answer came: the job may be running."""

    code = "outcome_unknown"


class JobFailed(AttemptError):
    """The job ran and failed, for a reason that its words do not tell."""

    code = "job_failed"


class WorkerFault(JobFailed):
    """The worker broke while it was at the job: out of memory, a CUDA error, ComfyUI died."""

    code = "worker_fault"


class StartupFailed(JobFailed):
    """ComfyUI did not come up on the worker; the job was never begun, and is charged."""

    code = "startup_failed"


class ExecutionFailed(JobFailed):
    """A node of the graph raised; the same request would meet the same error."""

    code = "execution_failed"


class ValidationFailed(JobFailed):
    """The worker refuses the graph or its pictures; the same request would be refused again."""

    code = "validation_failed"


class TimedOut(JobFailed):
    """The job took longer than its execution timeout, or no worker took it in time."""

    code = "timed_out"


class CancelledElsewhere(JobFailed):
    """Somebody else withdrew the job: it is not for us to send it again."""

    code = "cancelled_elsewhere"


class ResultLost(AttemptError):
    """The job ran and its result is gone."""

    code = "result_lost"


class ResultTooLarge(ResultLost):
    """The job completed and brought no result: it was over the size limit."""

    code = "result_too_large"


class ResultExpired(ResultLost):
    """The endpoint does not know the job any more: results live 30 minutes, and queued jobs can vanish."""

    code = "result_expired"


class ResultInvalid(AttemptError):
    """What came back is not what was asked."""

    code = "result_invalid"


class InvalidImage(ResultInvalid):
    """Bytes that are no image, or only half of one."""

    code = "invalid_image"


class BlankImage(ResultInvalid):
    """An image in which there is nothing: one colour all over, or all transparent."""

    code = "blank_image"


class WrongCount(ResultInvalid):
    """Not every image that was asked for is there."""

    code = "wrong_count"


class DraftAnswer(ResultInvalid):
    """A placeholder came where real art was asked for: the endpoint is not what it was taken for."""

    code = "draft_answer"


class QueueStalled(AttemptError):
    """The job waits and no worker takes it; the message says why, `cause` names it. It ends the run."""

    exit_code = 4
    code = "queue_stalled"

    def __init__(self, message: str, *, hint: str = "", job_id: str | None = None, cause: str = "") -> None:
        super().__init__(message, hint=hint, job_id=job_id)
        self.cause = cause
