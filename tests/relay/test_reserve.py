"""A reserve route: silent while others are heard, and there after 30 s when they are not."""

import pytest

from edge_agent.outbox.rows import Row
from edge_agent.relay.reserve import MAX_ALARMS, RESERVE_S, Reserve
from edge_agent.simulator.platforms.mqtt_server import MqttServer
from edge_agent.simulator.platforms.rules import Reaction
from tests.relay.homes import Home, config_of, fake, running


def row(alarm_id, event=1):
    return Row(event, alarm_id, event, b"{}", 0)


@pytest.mark.fast
def test_what_another_platform_has_accepted_is_left_out():
    heard = {("a", 1)}
    reserve = Reserve(lambda *name: name in heard)

    assert reserve.sort([row("a"), row("b")], 0.0) == ([], [row("a")])
    assert reserve.next_due_s(0.0) == RESERVE_S
    assert reserve.held == 1


@pytest.mark.fast
def test_what_nobody_has_accepted_within_30_s_goes_and_then_the_whole_alarm_does():
    reserve = Reserve(lambda *name: False)

    assert reserve.sort([row("a")], 5.0) == ([], [])
    assert reserve.sort([row("a"), row("b")], 34.9) == ([], [])
    assert reserve.sort([row("a"), row("b")], 35.0) == ([row("a")], [])
    reserve.sent(row("a"))
    assert reserve.sort([row("a", 2), row("b")], 36.0) == ([row("a", 2)], [])
    assert reserve.next_due_s(36.0) == 34.9 + RESERVE_S


@pytest.mark.fast
def test_memory_is_bounded_by_what_waits():
    reserve = Reserve(lambda *name: False)
    for number in range(3 * MAX_ALARMS):
        reserve.sort([row(f"a{number}")], float(number))
        reserve.sent(row(f"a{number}"))
    assert reserve.held <= 1
    assert len(reserve._speaks_for) == MAX_ALARMS
    assert f"a{3 * MAX_ALARMS - 1}" in reserve._speaks_for


async def test_the_reserve_speaks_when_the_first_platform_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr("edge_agent.relay.reserve.RESERVE_S", 0.5)
    told = []
    home = Home(tmp_path, ["onenet", "aliyun"])
    async with (
        MqttServer(fake("onenet", [], Reaction.SILENT), "127.0.0.1", 0) as first,
        MqttServer(fake("aliyun", told), "127.0.0.1", 0) as second,
    ):
        home.add(config_of("onenet", first, tmp_path))
        home.add(config_of("aliyun", second, tmp_path, reserve=True))
        async with running(home):
            home.heard.add(("heard", 2))
            await home.put("heard")
            await home.until(lambda: home.passed == [("aliyun", "heard")])
            await home.put("unheard")
            await home.until(lambda: home.accepted == [("aliyun", "unheard")])
    assert [one["alarm_id"] for one in told if one["what"] == "alarm"] == ["unheard"]
