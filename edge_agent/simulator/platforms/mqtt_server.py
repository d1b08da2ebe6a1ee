"""A small MQTT 3.1.1 server for a fake platform: one that can refuse, keep silent, and use `$`.

amqtt takes no topic that begins with `$` (Huawei's and OneNET's do) and cannot withhold a PUBACK;
a platform is also no broker: what a device publishes goes to nobody but the platform.

Source: OASIS, "MQTT Version 3.1.1", 2014, sections 2.2.3 (length) and 3.1 to 3.14 (packets).
"""

import asyncio
import struct
from contextlib import suppress

from edge_agent.simulator.platforms.platform import FakePlatform
from edge_agent.simulator.platforms.rules import Connect, Sent

MAX_PACKET_BYTES = 262_144
CONNECT_S = 10.0

ACCEPTED, BAD_PROTOCOL, BAD_USER, NOT_AUTHORISED = 0, 1, 4, 5
"""CONNACK return codes, table 3.1."""

CONNECT, PUBLISH, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 10, 12, 14


class PacketError(Exception):
    """The client does not speak MQTT 3.1.1: its connection ends."""


class MqttServer:
    """`async with MqttServer(platform, host, port) as port:`."""

    def __init__(self, platform: FakePlatform, host: str, port: int) -> None:
        self._platform = platform
        self._address = host, port
        self._clients: set[_Client] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._sender: asyncio.Task[None] | None = None

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, *self._address)
        self._sender = asyncio.create_task(self._send_orders(), name="platform commands")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        assert self._sender is not None
        self._server.close()
        tasks = (self._sender, *self._serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _send_orders(self) -> None:
        while True:
            pace_s, sent = await self._platform.orders_due.get()
            await asyncio.sleep(pace_s)
            for client in list(self._clients):
                client.send(sent)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(writer)
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            async with asyncio.timeout(CONNECT_S):
                head, body = await _read_packet(reader, wanted=CONNECT)
            connect = _parse_connect(body)
            code = self._login(connect)
            if code == ACCEPTED and connect is not None:
                self._take_over(connect.client_id)
                client.client_id = connect.client_id
            writer.write(bytes((0x20, 2, 0, code)))
            if code != ACCEPTED:
                return
            self._clients.add(client)
            while head >> 4 != DISCONNECT:
                head, body = await _read_packet(reader)
                if not self._handle(client, head, body):
                    return
                await writer.drain()
        except (PacketError, EOFError, OSError, TimeoutError, asyncio.CancelledError):
            pass  # the client's fault or its leave, or the platform ends: either way it is gone
        finally:
            self._clients.discard(client)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._serving.discard(task)

    def _login(self, connect: Connect | None) -> int:
        if connect is None:
            return BAD_PROTOCOL
        if self._platform.connect(connect) is None:
            return ACCEPTED
        return NOT_AUTHORISED if connect.username else BAD_USER

    def _handle(self, client: "_Client", head: int, body: bytes) -> bool:
        """Handle one packet; False ends the connection."""
        kind = head >> 4
        if kind == PUBLISH:
            return self._publish(client, head, body)
        if kind == SUBSCRIBE:
            filters, at = [], 2
            while at < len(body):
                topic, at = _text(body, at)
                filters.append(topic)
                at += 1
            client.filters += filters
            client.write(0x90, body[:2] + b"\x01" * len(filters))
        elif kind == UNSUBSCRIBE:
            client.write(0xB0, body[:2])
        elif kind == PINGREQ:
            client.write(0xD0, b"")
        return kind in (4, SUBSCRIBE, UNSUBSCRIBE, PINGREQ, DISCONNECT)

    def _publish(self, client: "_Client", head: int, body: bytes) -> bool:
        topic, at = _text(body, 0)
        qos = head >> 1 & 3
        if qos > 1 or "+" in topic or "#" in topic:
            return False
        taken = self._platform.take(topic, body[at + 2 * qos :])
        if qos and taken.is_acked:
            client.write(0x40, body[at : at + 2])
        for sent in taken.sends:
            if taken.late_s:
                asyncio.get_running_loop().call_later(taken.late_s, self._send_late, client, sent)
            else:
                client.send(sent)
        return not taken.is_closed

    def _send_late(self, client: "_Client", sent: Sent) -> None:
        if client in self._clients:
            client.send(sent)

    def _take_over(self, client_id: str) -> None:
        """End the connection of whoever had this id before (section 3.1.4)."""
        for other in self._clients:
            if other.client_id == client_id:
                other.writer.close()


class _Client:
    """A connected client and what it has subscribed to."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.client_id = ""
        self.filters: list[str] = []
        self._packet = 0

    def send(self, sent: Sent) -> None:
        """Publish with QoS 1 if the client has subscribed to that topic."""
        if any(matches(one, sent.topic) for one in self.filters):
            self._packet = self._packet % 65_535 + 1
            topic = sent.topic.encode()
            head = struct.pack(">H", len(topic)) + topic + struct.pack(">H", self._packet)
            self.write(0x32, head + sent.payload)

    def write(self, head: int, body: bytes) -> None:
        """Write one packet."""
        size, left = bytearray(), len(body)
        while True:
            left, digit = divmod(left, 128)
            size.append(digit | (128 if left else 0))
            if not left:
                break
        self.writer.write(bytes((head,)) + size + body)


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a filter takes a topic (section 4.7; a wildcard takes no `$`)."""
    if topic[:1] == "$" and topic_filter[:1] in "+#":
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else []
    return len(wanted) == len(levels) and all(
        one in ("+", level) for one, level in zip(wanted, levels, strict=True)
    )


async def _read_packet(
    reader: asyncio.StreamReader, wanted: int | None = None
) -> tuple[int, bytes]:
    head = (await reader.readexactly(1))[0]
    if wanted is not None and head >> 4 != wanted:
        raise PacketError("the first packet is no CONNECT")
    size = 0
    for shift in (0, 7, 14, 21):
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        if not byte & 0x80:
            break
    else:
        raise PacketError("a length of more than four bytes")
    if size > MAX_PACKET_BYTES:
        raise PacketError(f"a packet over {MAX_PACKET_BYTES} bytes")
    return head, await reader.readexactly(size)


def _parse_connect(body: bytes) -> Connect | None:
    """Return who wants in, or None for another protocol."""
    name, at = _text(body, 0)
    if name != "MQTT" or body[at : at + 1] != b"\x04":
        return None
    flags = body[at + 1]
    client_id, at = _text(body, at + 4)
    if flags & 0x04:  # the will: topic, then message
        _, at = _text(body, at)
        at += 2 + int.from_bytes(body[at : at + 2], "big")
    username = password = None
    if flags & 0x80:
        username, at = _text(body, at)
    if flags & 0x40:
        password, at = _text(body, at)
    return Connect(client_id, username, password)


def _text(body: bytes, at: int) -> tuple[str, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if at + 2 > len(body) or end > len(body):
        raise PacketError("cut short")
    try:
        return body[at + 2 : end].decode(), end
    except UnicodeDecodeError:
        raise PacketError("text that is not UTF-8") from None
