"""Getting one file from an http(s) address: whole and within bounds, or a sentence that says why not.

No credential is ever sent, and an address that holds one is refused before anything else, in words that do not repeat
it: whatever is fetched is written down with its address. Nothing here knows what the file is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, parse_qsl, urlsplit

import httpx

from assetmill.errors import UsageError
from assetmill.manifest.limits import MAX_FILE_BYTES

FETCH_S = 30.0  # for a manifest and all that it includes
SILENCE_S = 10.0
MAX_REDIRECTS = 5
CREDENTIALS = frozenset({
    "apikey", "auth", "authorization", "credential", "credentials", "jwt", "key", "passwd", "password", "pwd", "secret",
    "sig", "signature", "token",
})  # fmt: skip
NO_CREDENTIALS = "put the file into the store and give store:KEY; withdraw that credential if it was a real one"


def checked_address(address: str) -> SplitResult:
    """Parts of an address that may be fetched and written down, without its fragment.

    Raises:
        UsageError: it cannot be, or holds a credential; the words do not repeat it then.
    """
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1)
        names = {name.lower() for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        raise UsageError(
            "the address of the manifest cannot be read", hint="like https://host/folder/game.yaml"
        ) from None
    if "@" in parts.netloc:
        raise UsageError("an address with a user or password is no address of a manifest", hint=NO_CREDENTIALS)
    if any(CREDENTIALS & {*re.split(r"[^a-z]+", name), name} for name in names):
        raise UsageError("the address of the manifest is signed, or holds a token", hint=NO_CREDENTIALS)
    if not usable:
        raise UsageError(
            f"no manifest can be fetched from {parts.scheme}://", hint="give a path, an http(s) address or store:KEY"
        )
    return parts._replace(fragment="")


def new_client() -> httpx.Client:
    """A client for fetching; close it."""
    return httpx.Client(timeout=httpx.Timeout(SILENCE_S), follow_redirects=True, max_redirects=MAX_REDIRECTS)


def fetched(client: httpx.Client, url: str, late: Callable[[], bool]) -> tuple[bytes, str] | None:
    """Bytes and content type of what an address answers; None if it has nothing.

    Raises:
        UsageError: no answer, a refusal, a web page, or more than a manifest may have.
    """
    data = bytearray()
    try:
        with client.stream(
            "GET", url, headers={"Accept": "application/yaml, text/csv, text/*;q=0.9, */*;q=0.5"}
        ) as answer:
            if answer.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                return None
            _check_answer(answer, url)
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise UsageError(too_large(url))
                if late():
                    raise UsageError(f"{url} was not read to its end within {FETCH_S:.0f} s", hint="try again")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UsageError(f"cannot fetch {url}: {_in_words(error)}", hint="look at the address, or try again") from None
    return bytes(data), _type_of(answer)


def _check_answer(answer: httpx.Response, url: str) -> None:
    status = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise UsageError(
            f"{url} answers {status}", hint="no credentials are sent: put the file into the store and give store:KEY"
        )
    if answer.status_code != httpx.codes.OK:
        raise UsageError(f"{url} answers {status}", hint="look at the address, or try again")
    if _type_of(answer) == "text/html":
        raise UsageError(f"{url} answers with a web page, and not a manifest", hint="give the address of the raw file")


def _type_of(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _in_words(error: Exception) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {SILENCE_S:.0f} s"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the answer broke off"
    return "no connection" if isinstance(error, httpx.ConnectError) else type(error).__name__


def too_large(name: str) -> str:
    """What is said of a file that is too large."""
    return f"{name} is larger than a manifest may be ({MAX_FILE_BYTES:,} bytes)"
