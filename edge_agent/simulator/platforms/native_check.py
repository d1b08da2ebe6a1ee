"""`anzhen platform native --check`: reads a broker's messages and checks each against its type."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiomqtt

from edge_agent.simulator.platforms.native import check_native
from edge_agent.simulator.platforms.rules import FormError

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())

CONNECT_S = 10.0


class AbsentError(Exception):
    """The broker is not there, or has gone."""


async def check_broker(
    host: str, port: int, seconds: float | None, tell: Callable[[dict[str, Any]], None]
) -> tuple[int, int]:
    """Check everything below `anzhen/`; return how many messages came and how many were wrong.

    Args:
        host: of the broker.
        port: of the broker.
        seconds: how long, or None for ever.
        tell: gets an object for each message that is wrong.

    Raises:
        AbsentError: the broker is not there, or has gone.
    """
    seen = wrong = 0
    try:
        async with aiomqtt.Client(host, port, timeout=CONNECT_S, logger=_log) as client:
            await client.subscribe("anzhen/#", qos=1)
            try:
                async with asyncio.timeout(seconds):
                    async for message in client.messages:
                        topic, payload = str(message.topic), message.payload
                        seen += 1
                        if message.retain and payload == b"":
                            continue
                        try:
                            raw = payload if isinstance(payload, bytes) else b""
                            check_native(topic, raw, message.retain)
                        except FormError as error:
                            wrong += 1
                            tell({"topic": topic[:300], "bytes": len(raw), "problem": str(error)})
            except TimeoutError:
                pass
    except aiomqtt.MqttError as error:
        raise AbsentError(f"broker {host}:{port}: {error}") from None
    return seen, wrong
