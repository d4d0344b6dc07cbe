"""The side of the API that deals in files: assets, uploads in one piece and in parts, and their signed addresses.

Whoever has an address needs no key, and a key beside it is refused: a client that sends its key along with every
request would hand Scenario's key to the host of its files.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from assetmill.clock import Clock
from assetmill.localpod.exchange import reply
from assetmill.localpod.scenario import wire
from assetmill.localpod.scenario.config import ScenarioConfig
from assetmill.localpod.scenario.door import Door
from assetmill.localpod.scenario.faults import Kind, Luck, Stage
from assetmill.localpod.scenario.painting import PaintingFailed
from assetmill.localpod.scenario.refusal import bad_request
from assetmill.localpod.scenario.shelf import Asset, Shelf, Upload
from assetmill.localpod.scenario.works import Works

MOST_BULK: Final = 200
_DENIED: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)


class FileSide:
    """Routes for files.

    Args:
        config: how long addresses are good for.
        clock: wall-clock time.
        origin: `http://host:port`, for addresses.
        door: what calls pass through.
        shelf: the files.
        works: checks uploads.
        luck: which files break.
    """

    def __init__(
        self, config: ScenarioConfig, clock: Clock, origin: str, door: Door, shelf: Shelf, works: Works, luck: Luck
    ) -> None:
        self._config = config
        self._clock = clock
        self._origin = origin
        self._door = door
        self._shelf = shelf
        self._works = works
        self._luck = luck

    def routes(self) -> list[Route]:
        """All of them."""
        door, words = self._door, self._words
        return [
            door.route("/assets", "POST", self._post_asset, "upload", words),
            door.route("/assets/get-bulk", "POST", self._bulk, "assets", words),
            door.route("/assets/{asset_id}", "GET", self._get_asset, "asset", words),
            door.route("/uploads", "POST", self._post_upload, "uploads", words),
            door.route("/uploads/{upload_id}", "GET", self._get_upload, "uploads", words),
            door.route("/uploads/{upload_id}/action", "POST", self._act_on_upload, "uploads", words),
            Route("/cdn/assets/{asset_id}", door.around(self._file, "cdn", words), methods=["GET"]),
            Route("/cdn/uploads/{upload_id}/{number:int}", door.around(self._part, "part", words), methods=["PUT"]),
        ]

    def kept(self, text: str, name: str) -> Asset:
        """A picture that came in base64, or as a data URL, as an asset.

        Raises:
            Refusal: 400.
        """
        payload = text.partition(",")[2] if text.startswith("data:") else text
        try:
            return self._shelf.put(base64.b64decode(payload, validate=True), "uploaded", name=name)
        except (binascii.Error, ValueError, PaintingFailed):
            raise bad_request("image is no picture in base64", image="must be a picture in base64") from None

    def _words(self, request: Request) -> str:
        found = self._shelf.found([request.path_params.get("asset_id", "")])
        return found[0].prompt if found else ""

    async def _post_asset(self, request: Request) -> Response:
        body = await self._door.json(request)
        given = body if isinstance(body, dict) else {}
        missing = {name: "is required" for name in ("image", "name") if not isinstance(given.get(name), str)}
        if missing:
            raise bad_request(f"{' and '.join(missing)} must be given, as text", **missing)
        asset = self.kept(given["image"], given["name"])
        return self._door.accepted(reply({"asset": self._asset_body(asset)}), "upload", "")

    async def _get_asset(self, request: Request) -> Response:
        return reply({"asset": self._asset_body(self._shelf.asset(request.path_params["asset_id"]))})

    async def _bulk(self, request: Request) -> Response:
        body = await self._door.json(request)
        ids = body.get("assetIds") if isinstance(body, dict) else None
        if not isinstance(ids, list) or not 1 <= len(ids) <= MOST_BULK or not all(isinstance(one, str) for one in ids):
            raise bad_request("assetIds is wrong", assetIds=f"must be a list of 1 to {MOST_BULK} asset ids")
        return reply({"assets": [self._asset_body(asset) for asset in self._shelf.found(ids)]})

    def _asset_body(self, asset: Asset) -> dict[str, Any]:
        return wire.asset_body(asset, self._origin + self._shelf.signed(f"/cdn/assets/{asset.id}"))

    async def _post_upload(self, request: Request) -> Response:
        return reply({"upload": self._upload_body(self._shelf.upload(await self._door.json(request)))})

    async def _get_upload(self, request: Request) -> Response:
        return reply({"upload": self._upload_body(self._shelf.uploading(request.path_params["upload_id"]))})

    async def _act_on_upload(self, request: Request) -> Response:
        upload = self._shelf.uploading(request.path_params["upload_id"])
        body = await self._door.json(request)
        if not isinstance(body, dict) or body.get("action") != "complete":
            raise bad_request("action is wrong", action="must be complete")
        if upload.job_id is None:
            upload.status = "validating"
            upload.job_id = self._works.take(
                "upload", "upload", lambda _job: [self._shelf.finish(upload).id],
                action="upload", input={"uploadId": upload.id}, units=0.0, prompt="",
            ).id  # fmt: skip
        return reply({"upload": self._upload_body(upload)})

    def _upload_body(self, upload: Upload) -> dict[str, Any]:
        paths = (f"/cdn/uploads/{upload.id}/{number}" for number in range(1, upload.count + 1))
        expires = self._clock.now() + timedelta(seconds=self._config.url_lifetime_s)
        return wire.upload_body(upload, [self._origin + self._shelf.signed(path) for path in paths], expires)

    async def _part(self, request: Request) -> Response:
        upload = self._shelf.uploading(request.path_params["upload_id"])
        body, number = await self._door.bytes(request), request.path_params["number"]
        if not self._opens(request) or not 1 <= number <= upload.count or upload.job_id is not None:
            return _denied()
        upload.parts[number] = body
        return Response(status_code=200, headers={"ETag": f'"{upload.id}-{number}"'})

    async def _file(self, request: Request) -> Response:
        if not self._opens(request):
            return _denied()
        asset = self._shelf.asset(request.path_params["asset_id"])
        fault = self._luck.draw(Stage.FILE, "cdn", asset.prompt)
        if fault is not None and fault.kind is Kind.FORBIDDEN:
            return _denied()
        file = asset.file[: len(asset.file) // 2] if fault is not None else asset.file
        return Response(file, media_type=asset.media_type)

    def _opens(self, request: Request) -> bool:
        """Whether the address is the one that was given out.

        Raises:
            Refusal: 400, for a key that has no business here.
        """
        if "authorization" in request.headers:
            raise bad_request("Only one way to authorize is allowed: a signed address takes no key")
        return self._shelf.opens(request.url.path, request.url.query)


def _denied() -> Response:
    """In the words of the store behind signed addresses."""
    return Response(_DENIED, 403, media_type="application/xml")
