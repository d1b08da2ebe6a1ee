"""A cord is pulled, and a family hears of it: firmware, agent, a process of apprise, a server."""

import asyncio

import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import State
from edge_agent.config.routes import RouteConfig
from edge_agent.simulator.stage import Stage, StageOptions, on_stage
from hil_tests.test_bed_and_call import bath_unit, bed_unit, make_config
from hil_tests.test_routes import CORD, in_real_time
from tests.relay.messenger import serving


class Messenger:
    """The server, for `in_real_time`."""

    async def __aenter__(self):
        self._serving = serving()
        self.server = await self._serving.__aenter__()
        return self.server.port

    async def __aexit__(self, *error):
        await self._serving.__aexit__(*error)


def family(folder, port):
    path = folder / "urls"
    path.write_text(f"json://127.0.0.1:{port}/")
    path.chmod(0o600)
    settings = {"urls_file": str(path), "drills": True}
    return RouteConfig(name="family", profile="apprise", settings=settings)


def pull(config, messenger):
    """Return the events of a pulled cord, until the family has heard that nobody answers."""

    async def story(stage: Stage):
        stage.start_agent()
        stage.start_unit(bed_unit(stage, 185.0))
        stage.start_unit(bath_unit(CORD))
        for _ in range(300):
            await asyncio.sleep(0.5)
            if len(messenger.server.got) == 2:
                break
        return list(stage.events)

    return on_stage(config, StageOptions(), story)


@pytest.mark.vm
def test_with_the_platform_away_a_family_hears_of_a_call_and_of_nobody_answering(
    unused_tcp_port, tmp_path
):
    messenger = Messenger()
    with in_real_time(messenger) as port:
        config = replace(make_config(unused_tcp_port), route=[family(tmp_path, port)])
        events = pull(config, messenger)
    said = [one["message"].splitlines()[0] for one in messenger.server.got]
    assert said == ["卫生间一键呼救，请立即联系", "卫生间一键呼救，仍无人受理，请立即联系"]
    assert State.NOTIFIED not in [event.state for event in events]  # a messenger is no platform


@pytest.mark.vm
def test_without_any_platform_what_the_family_was_told_is_notified(tmp_path):
    messenger = Messenger()
    with in_real_time(messenger) as port:
        config = replace(make_config(), route=[family(tmp_path, port)])
        events = pull(config, messenger)
    assert [event.state for event in events if event.condition == "call"][:2] == [
        State.CONFIRMED, State.NOTIFIED,
    ]  # fmt: skip
    assert "escalated" in events[-1].flags  # nobody has acknowledged it
