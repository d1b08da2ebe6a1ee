"""When the clock becomes trusted: the retained topics are said again with the true times."""

import asyncio
import json

import aiomqtt
import pytest

from edge_agent.clock import Instant, Quality, SystemClock, format_utc
from tests.relay.brokers import mosquitto
from tests.wiring.bedside import running

pytestmark = [
    pytest.mark.broker,
    # paho leaves sockets to the garbage collector, which closes them.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

OFF_S = 20 * 86_400.0


class LateClock(SystemClock):
    """A host's clock that is three weeks slow until somebody tells it."""

    def __init__(self):
        super().__init__()
        self.is_good = False

    def now(self):
        now = super().now()
        if self.is_good:
            return Instant(now.monotonic_s, now.utc_s, Quality.NTP)
        return Instant(now.monotonic_s, now.utc_s - OFF_S, Quality.NONE)


async def test_every_retained_topic_is_said_again_with_its_true_time(tmp_path):
    clock = LateClock()
    said = {}

    async def listen(platform, wanted):
        async with asyncio.timeout(15):
            async for message in platform.messages:
                said[str(message.topic).split("/", 4)[4]] = json.loads(message.payload)
                if wanted():
                    return

    def online():
        return said.get("unit/u1/state", {}).get("state") == "online"

    def pressed():
        return bool(said.get("alarms/open"))

    with mosquitto(tmp_path) as port:
        async with (
            aiomqtt.Client("127.0.0.1", port) as platform,
            running(tmp_path / "o.db", clock, mqtt={"host": "127.0.0.1", "port": port}) as (
                _,
                unit,
            ),
        ):
            await platform.subscribe("anzhen/v1/#", qos=1)
            unit.press()
            await listen(platform, lambda: online() and pressed() and "agent/state" in said)
            before = said["unit/u1/state"]["at"]
            assert before < format_utc(clock.now().utc_s + 60.0)
            assert said["agent/state"]["clock"] == "none"

            clock.is_good = True
            await listen(
                platform,
                lambda: (
                    said["unit/u1/state"]["at"] != before and said["agent/state"]["clock"] == "ntp"
                ),
            )
            after = said["unit/u1/state"]["at"]
    begin, end = (format_utc(clock.now().utc_s - past_s) for past_s in (60.0, 0.0))
    assert begin < after < end
