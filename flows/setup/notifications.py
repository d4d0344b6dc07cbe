"""Where alerts go: a notification block on the Prefect server, one that an operator has made or one of ours.

Whoever makes a block in the UI names it in ASSETMILL_ALERT_BLOCK, and every service that Prefect can notify is open to
them. ASSETMILL_ALERT_URL is the short way: deploying makes a block of it. The address of a webhook is a secret, whoever
has it can write there: it lies in the block's secrets, which the server encrypts, and in no message of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.exceptions import ObjectNotFound
from prefect.types import SecretDict

from assetmill.errors import UsageError
from assetmill.settings import Settings

OUR_BLOCK = "assetmill-alerts"
TEXT = "{{subject}}\n{{body}}"
TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is notified.

    Args:
        block_id: the block document; None where nobody is.
        words: what was done to it, in words; nothing if it was there as it should be.
    """

    block_id: UUID | None
    words: tuple[str, ...] = ()


async def ensure_receiver(client: PrefectClient, settings: Settings) -> Receiver:
    """Find the notification block, or make it.

    Raises:
        UsageError: both settings are there, the block is not, or cannot notify, or the address is none.
    """
    if settings.alert_block and settings.alert_url:
        raise UsageError("ASSETMILL_ALERT_BLOCK and ASSETMILL_ALERT_URL are both set", hint="set one of them")
    if settings.alert_block:
        return Receiver(await _existing(client, settings.alert_block))
    if settings.alert_url:
        return await _ours(client, _address(settings.alert_url.get_secret_value()))
    return Receiver(None)


async def _existing(client: PrefectClient, slug_and_name: str) -> UUID:
    """Id of a block that somebody has made."""
    slug, _, name = slug_and_name.partition("/")
    document = await _document(client, slug, name)
    if document is None:
        raise UsageError(
            f"ASSETMILL_ALERT_BLOCK: there is no block {slug_and_name} on the Prefect server",
            hint="make it on the page Blocks of the UI; the name is <block type>/<name>, as slack-webhook/ops",
        )
    schema = document.block_schema
    if schema is None or "notify" not in schema.capabilities:
        raise UsageError(
            f"ASSETMILL_ALERT_BLOCK: {slug_and_name} cannot notify", hint="name a block of a kind that notifies"
        )
    return document.id


async def _ours(client: PrefectClient, address: str) -> Receiver:
    """Our own block, brought to this address."""
    wanted = CustomWebhookNotificationBlock(
        name="assetmill",
        url="{{address}}",
        json_data={"text": TEXT},
        timeout=TIMEOUT_S,
        secrets=SecretDict({"address": address}),
    )
    there = await _document(client, wanted.get_block_type_slug(), OUR_BLOCK)
    if there is not None and there.data == _data(wanted):
        return Receiver(there.id)
    block_id = await wanted.asave(OUR_BLOCK, overwrite=True, client=client)
    return Receiver(block_id, (f"notification block {OUR_BLOCK} {'created' if there is None else 'changed'}",))


async def _document(client: PrefectClient, slug: str, name: str) -> BlockDocument | None:
    try:
        return await client.read_block_document_by_name(name, slug, include_secrets=True)
    except ObjectNotFound:
        return None


def _data(block: CustomWebhookNotificationBlock) -> dict[str, object]:
    """What the server keeps of a block, secrets in the clear."""
    return block.model_dump(mode="json", context={"include_secrets": True}, exclude={"block_type_slug"})


def _address(address: str) -> str:
    """The address of a webhook; what is wrong with it is told without repeating it."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{{" in address:
        raise UsageError("ASSETMILL_ALERT_URL is no http or https address", hint="copy it from the webhook's settings")
    return address
