"""A fake county platform over HTTP: 200 with a flag in the body, whatever it thinks of a request.

It checks the request line, the type of the body, that every configured path is there with its
constant, that times are local ones near now, and the signatures whose rule is known by name:
`{secret_id}{secret}{window}` hashed, and an HMAC of `{body}`.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edge_agent.relay.profiles.county_settings import CountySettings, SignatureSettings
from edge_agent.simulator.platforms.rules import FormError, Reaction, read_object

MAX_HEAD_BYTES = 16_384
MAX_BODY_BYTES = 262_144
REQUEST_S = 10.0
USUAL_FORM = "yyyy-MM-dd HH:mm:ss"
NEAR_S = 300
"""How far `{now_local}` may be off."""
CHINA = timezone(timedelta(hours=8))

SHIPPED = {
    "url": "http://127.0.0.1:8080/api.BedCall/ReceiveBedCallMsg",
    "plain": True,
    "drills": True,
    "success": "Success == true",
    "fields": {"DeviceNum": "{unit}", "Alarm": "{text}", "MessageId": "{message_id}"},
}
"""A route in the style of one county's bed-call receiver, for a first try."""

BODIES = {
    Reaction.ACCEPT: {"Success": True, "Msg": "请求成功!", "data": {}},
    Reaction.REJECT: {"Success": False, "Msg": "参数错误", "data": {}},
}


class CountyServer:
    """`async with CountyServer(...) as port:`."""

    def __init__(
        self,
        settings: CountySettings,
        reaction: Reaction,
        bodies: dict[Reaction, Any],
        utc: Callable[[], float],
        tell: Callable[[dict[str, Any]], None],
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.wrong = 0
        self._settings = settings
        self._reaction = reaction
        self._bodies = bodies
        self._utc = utc
        self._tell = tell
        self._address = host, port
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, *self._address, limit=MAX_HEAD_BYTES)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            async with asyncio.timeout(REQUEST_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:])
                }
                length = int(headers.get("content-length", "0"))
                if not 0 <= length <= MAX_BODY_BYTES:
                    return
                body = await reader.readexactly(length)
            answer = self._answer(head[0], headers, body)
            if answer is None:
                await reader.read()  # silent: until the client has had enough
                return
            payload = json.dumps(answer, ensure_ascii=False).encode()
            date = format_datetime(datetime.fromtimestamp(self._utc(), UTC), usegmt=True)
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: {date}\r\n"
                f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n".encode()
                + payload
            )
            await writer.drain()
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client's fault or its leave, or the platform ends: either way it is gone
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._serving.discard(task)

    def _answer(self, line: str, headers: dict[str, str], body: bytes) -> Any:
        try:
            said = self._check(line, headers, body)
        except FormError as error:
            self.wrong += 1
            self._tell({"what": "alarm", "ok": False, "problem": str(error)})
            return self._bodies[Reaction.REJECT]
        self._tell({"what": "alarm", "ok": True, "answer": self._reaction, "body": said})
        return self._bodies.get(self._reaction)

    def _check(self, line: str, headers: dict[str, str], body: bytes) -> dict[str, Any]:
        one = self._settings
        method, _, rest = line.partition(" ")
        target, wanted = urlsplit(rest.partition(" ")[0]), urlsplit(one.url)
        if method != one.method or target.path != (wanted.path or "/"):
            raise FormError(f"{line[:80]!r} is not {one.method} {wanted.path}")
        if not headers.get("content-type", "").startswith("application/json"):
            raise FormError("the body is not declared as JSON")
        for name in one.headers:
            if not headers.get(name.lower()):
                raise FormError(f"header {name} is missing")
        said = read_object(body)
        for path, template in one.fields.items():
            self._check_field(said, path, template)
        if one.signature is not None:
            kind, _, place = one.signature.place.partition(":")
            given: Any
            if kind == "header":
                given = headers.get(place.lower())
            elif kind == "query":
                given = parse_qs(target.query).get(place, [None])[0]
            else:
                given = _follow(said, place)
            self._check_signature(one.signature, given, body)
        return said

    def _check_field(self, said: Any, path: str, template: Any) -> None:
        found = _follow(said, path)
        if not isinstance(template, str):
            if type(found) is not type(template) or found != template:
                raise FormError(f"{path} is {found!r}, not {template!r}")
        elif found is None:
            if not re.fullmatch(r"\{(unit|person|source|score|trigger|ieee)\}", template):
                raise FormError(f"{path} is missing")
        elif template == "{now_local}" and self._settings.time_format == USUAL_FORM:
            try:
                at = datetime.strptime(found, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
            except (ValueError, TypeError):
                raise FormError(f"{path} {found!r} is not {USUAL_FORM}") from None
            if abs(at.timestamp() - self._utc()) > NEAR_S:
                raise FormError(f"{path} {found!r} is not the local time")

    def _check_signature(self, sign: SignatureSettings, given: Any, body: bytes) -> None:
        one, name = self._settings, sign.kind.removeprefix("hmac-")
        if sign.text == "{secret_id}{secret}{window}" and sign.kind == name:
            now = int(self._utc()) // sign.window_s
            texts = [f"{one.secret_id}{one.secret}{now + near}" for near in (0, -1, 1)]
            macs = [hashlib.new(name, text.encode()).digest() for text in texts]
        elif sign.text == "{body}" and sign.kind != name:
            macs = [hmac.digest(one.secret.encode(), body, name)]
        else:
            if not given:
                raise FormError("the signature is missing")
            return
        if given not in [_written(mac, sign.encoding) for mac in macs]:
            raise FormError("wrong signature")


def _written(mac: bytes, encoding: str) -> str:
    if encoding == "base64":
        return base64.b64encode(mac).decode()
    return mac.hex().upper() if encoding == "HEX" else mac.hex()


def _follow(body: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(body, list) and name.isdecimal() and int(name) < len(body):
            body = body[int(name)]
        elif isinstance(body, dict):
            body = body.get(name)
        else:
            return None
    return body
