"""Secrets are hidden in every spelling, and nothing else is touched."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from assetmill.redaction import HIDDEN, Redaction

SECRETS = (
    "rpa_Q7wX/2nV+8mB=kLz4",
    "scn~Mb8Vq3 Kf7Ju1%Ao",
    'quo"ted\\key-9876',
    "f00dfacefeedbeef12345678",
    "pa\u00dfwort-123",
)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "spell",
    (
        str, quote, quote_plus, lambda text: quote(text, safe=""), lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(), json.dumps, lambda text: json.dumps(text).replace("/", "\\/"),
    ),
)  # fmt: skip
def test_a_secret_is_hidden_however_it_is_written(secret, spell):
    before, after = b"it said ", b", and went on"
    hidden = Redaction(SECRETS).hide(before + spell(secret).encode() + after)
    assert HIDDEN in hidden
    assert spell(secret).strip('"').encode() not in hidden
    assert hidden.startswith(before)
    assert hidden.endswith(after)


@pytest.mark.parametrize("encode", (base64.b64encode, base64.urlsafe_b64encode), ids=lambda encode: encode.__name__)
@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
def test_a_secret_is_hidden_wherever_it_stands_in_a_longer_text_in_base64(encode, before, after):
    secret = SECRETS[0]
    hidden = Redaction(SECRETS).hide(encode(b"k" * before + secret.encode() + b"?" * after))
    assert HIDDEN in hidden
    left = hidden.replace(HIDDEN, b"")
    assert len(left) <= 4 * ((before + 2) // 3 + (after + 2) // 3 + 1), "no more than its neighbours"


def test_of_two_secrets_one_of_which_begins_with_the_other_nothing_is_left():
    hidden = Redaction(["first-part", "first-part-and-more"]).hide(b"x first-part-and-more y first-part z")
    assert hidden == b"x [secret] y [secret] z"


def test_what_holds_no_secret_is_the_very_same_object():
    data = b'{"id": "abc", "status": "COMPLETED"}'
    assert Redaction(SECRETS).hide(data) is data
    assert Redaction().hide(data) is data


def test_a_secret_that_is_too_short_is_not_looked_for():
    assert Redaction(["status", ""]).hide(b'{"status": "FAILED"}') == b'{"status": "FAILED"}'


def test_a_secret_beside_a_large_picture_is_hidden_and_the_picture_stays():
    image = base64.b64encode(bytes(range(256)) * 4000)
    body = b'{"images": [{"data": "' + image + b'"}], "error": "' + SECRETS[0].encode() + b'"}'
    hidden = Redaction(SECRETS).hide(body)
    assert json.loads(hidden) == {"images": [{"data": image.decode()}], "error": "[secret]"}
