r"""aiomqtt's client, and what MQTT 5 answers: reasons, limits, and whether it is spoken at all.

```
 CONNECT --TCP, TLS--> reached --CONNACK--> in, with the broker's limits
                          |  \--CONNACK 0x01, 0x84----> refused: no such version, for certain
                          +--hung up, or not a word----> perhaps
 PUBLISH -----------------------PUBACK < 0x80---> taken (0x10: and nobody has subscribed)
                               \-PUBACK >= 0x80-> refused, with the reason
```
aiomqtt 2.5 takes any PUBACK for a success, and waits 10 s for a CONNACK on a line that was hung up.

Source: OASIS, "MQTT Version 5.0", 2019, sections 3.1.2.1, 3.2.2 (CONNACK) and 3.4.2.1 (PUBACK).
"""

import asyncio
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTT_ERR_SUCCESS
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

UNSUPPORTED_VERSION = 0x84
"""What a CONNACK says to a version that its broker has not; 0x01 in MQTT 3.1.1 is read as this."""
NOT_THIS_CONNECT = (0x80, 0x81, 0x82, 0x83, UNSUPPORTED_VERSION, 0x95, 0x9A, 0x9B)
"""CONNACKs that blame the packet, not who we are nor how the broker is: unspecified, malformed,
protocol, implementation, version, size, retain and QoS of the will (table 3-1)."""
REFUSED = 0x80
"""The least reason code that is a failure."""
NO_SUBSCRIBERS = 0x10
PACKET_TOO_LARGE = 0x95

MAX_REASON = 120
_MAX_INCOMING_BYTES = 262_144
"""A broker of MQTT 5 is told to keep what is longer; no command is over 4096 bytes."""


class HungUpError(aiomqtt.MqttError):
    """The line ended before any CONNACK."""


class Client(aiomqtt.Client):
    """One connection's client; `is_reached` once TCP and TLS stand."""

    def __init__(self, host: str, port: int, *, version: str, **more: Any) -> None:
        """Take what `aiomqtt.Client` takes; `version` is "5" or "3.1.1"."""
        self.is_reached = False
        self.max_packet_bytes: int | None = None
        self.can_retain = True
        self._is_5 = version == "5"
        self._answers: dict[int, asyncio.Future[tuple[int, str]]] = {}
        protocol, properties = aiomqtt.ProtocolVersion.V311, None
        if self._is_5:
            protocol, properties = aiomqtt.ProtocolVersion.V5, _properties(PacketTypes.CONNECT)
            properties.MaximumPacketSize = _MAX_INCOMING_BYTES
        super().__init__(host, port, protocol=protocol, properties=properties, **more)

    async def tell(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        retain: bool,
        expiry_s: int | None,
        timeout_s: float,
    ) -> tuple[int, str]:
        """Publish; return the reason code of the PUBACK and what it says, 0 where there is none.

        One that the broker has said to be too long for it is refused here: sending it would end
        the connection.

        Raises:
            aiomqtt.MqttError: no answer came.
            ValueError: topic or payload that no broker takes.
        """
        properties = None
        if self._is_5:
            properties = _properties(PacketTypes.PUBLISH)
            if expiry_s is not None:
                properties.MessageExpiryInterval = expiry_s
            size = _publish_bytes(topic, payload, qos, properties)
            if self.max_packet_bytes is not None and size > self.max_packet_bytes:
                why = f"{size} bytes, and the broker takes {self.max_packet_bytes}"
                return PACKET_TOO_LARGE, why
        retain = retain and self.can_retain
        sent = self._client.publish(topic, payload, qos, retain, properties)
        if sent.rc != MQTT_ERR_SUCCESS:
            raise aiomqtt.MqttCodeError(sent.rc, "Could not publish message")
        if qos == 0:
            return 0, ""
        answer: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        self._answers[sent.mid] = answer
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise aiomqtt.MqttError("no PUBACK in time") from None
        finally:
            del self._answers[sent.mid]

    def abandon(self) -> None:
        """Close a line that nothing came on: a late CONNACK would take over our next one."""
        self._client.disconnect()

    # -- called by paho, on the loop but where it is said ---------------------------------------

    def _on_socket_open(self, *arguments: Any) -> None:
        self.is_reached = True  # on the thread that connects
        super()._on_socket_open(*arguments)

    def _on_connect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self.can_retain = bool(getattr(properties, "RetainAvailable", 1))
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: Any,
        userdata: Any,
        flags: Any,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._note_hang_up)  # on any of the two threads
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _note_hang_up(self) -> None:
        if not self._connected.done():
            self._connected.set_exception(HungUpError("hung up before any CONNACK"))
            self._connected.exception()  # nobody may be waiting any more

    def _on_publish(
        self,
        client: Any,
        userdata: Any,
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        answer = self._answers.get(mid)
        if answer is not None and not answer.done():
            answer.set_result((reason_code.value, _words(reason_code, properties)))
        super()._on_publish(client, userdata, mid, reason_code, properties)


def code_of(error: BaseException | None) -> int | None:
    """Return the reason code that an error of aiomqtt's, or its cause, carries, or None."""
    while error is not None:
        code = getattr(error, "rc", None)
        if isinstance(code, ReasonCode):
            return int(code.value)
        error = error.__cause__
    return None


def _properties(packet: int) -> Any:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho has no types here


def _words(code: ReasonCode, properties: Properties | None) -> str:
    """Return what a PUBACK says, in letters that may stand in a log."""
    said = getattr(properties, "ReasonString", "")
    said = "".join(one for one in said[:MAX_REASON] if one.isprintable())
    return f"{code}: {said}" if said else str(code)


def _publish_bytes(topic: str, payload: bytes, qos: int, properties: Any) -> int:
    """Return the length of a PUBLISH (section 3.3)."""
    left = 2 + len(topic.encode()) + (2 if qos else 0) + len(properties.pack()) + len(payload)
    return 1 + next(size for size in range(1, 5) if left < 1 << 7 * size) + left
