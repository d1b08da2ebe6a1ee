"""Messages to a family: what it hears, in which words, and a real server that takes them or not."""

import asyncio
import logging
import re
from contextlib import nullcontext
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from edge_agent.alarm.alarm import Alarm, State, Trigger
from edge_agent.clock import SystemClock
from edge_agent.config.load import parse
from edge_agent.config.reading import ConfigError, convert
from edge_agent.config.routes import RouteConfig
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Batch, Row
from edge_agent.relay import family
from edge_agent.relay.family import send
from edge_agent.relay.family_child import Outcome
from edge_agent.relay.making import names_of
from edge_agent.relay.profile import RowError, Stamp
from edge_agent.relay.profiles.family import FamilyProfile, FamilySettings, Note
from edge_agent.relay.profiles.table import read_family
from edge_agent.relay.route import Hooks, Presence
from edge_agent.relay.routes import Routes, route_names
from tests.relay.homes import Home, running
from tests.relay.messenger import serving
from tests.relay.profiles.samples import ALARM_ID, AT_MS, CONFIRMED, STAMP, body

NOTE = Note("t", "b", "failure")


def told(changes, **settings):
    """The message that an event becomes, or None."""
    profile = FamilyProfile(FamilySettings(urls_file="x", **settings))
    return profile.deliver(body(**changes), STAMP)


# -- what and in which words ----------------------------------------------------------------

S, T = State, Trigger
MEDIUM = {"condition": "inactivity", "priority": "medium", "event": 1}


@pytest.mark.fast
@pytest.mark.parametrize(
    ("changes", "settings", "hears"),
    [
        ({}, {}, True),
        ({"event": 1, "state": S.SUSPECTED, "trigger": None}, {}, False),
        ({"event": 1, "state": S.SUSPECTED, "trigger": None}, {"states": ["suspected"]}, True),
        ({"event": 2, "state": S.RECOVERED, "trigger": T.RECOVER}, {}, False),  # never heard of it
        ({"event": 4, "state": S.RECOVERED, "trigger": T.RECOVER}, {}, True),
        ({"event": 3, "state": S.NOTIFIED, "trigger": T.NOTIFY}, {}, False),
        ({"event": 4, "state": S.NOTIFIED, "trigger": T.ESCALATE}, {"states": []}, True),
        ({"event": 5, "state": S.CONFIRMED, "trigger": T.REMIND}, {"states": []}, True),
        ({"event": 5, "trigger": T.REMIND, "flags": ["drill"]}, {}, False),
        ({"event": 5, "state": S.ACKNOWLEDGED, "trigger": T.REMIND}, {}, False),
        ({"event": 5, "state": S.DISPATCHED, "trigger": T.REMIND}, {}, False),
        ({"event": 4, "state": S.ACKNOWLEDGED, "trigger": T.ACKNOWLEDGE}, {}, True),
        ({"event": 4, "state": S.ACKNOWLEDGED, "trigger": T.ACKNOWLEDGE}, {"states": []}, False),
        ({"event": 9, "state": S.DISPATCHED, "trigger": T.REPEAT}, {"states": []}, True),
        ({"event": 9, "state": S.CLOSED, "trigger": T.CLOSE}, {}, True),
        (MEDIUM | {"trigger": None}, {}, True),
        (MEDIUM | {"trigger": None}, {"lowest": "high"}, False),
        (MEDIUM | {"trigger": T.REMIND}, {}, False),
        (MEDIUM | {"trigger": T.SHELVE}, {}, False),
        (MEDIUM | {"trigger": T.UNSHELVE}, {}, True),
        ({}, {"lowest": "high"}, True),
        ({"condition": "battery_low", "priority": "low", "trigger": None}, {}, False),
        ({"condition": "of_a_later_release", "trigger": None}, {}, True),
        ({"flags": ["drill"]}, {}, False),
        ({"flags": ["drill"]}, {"drills": True}, True),
        ({"flags": ["escalated"]}, {}, True),
    ],
)
def test_a_family_hears_what_it_can_act_on(changes, settings, hears):
    assert (told(changes, **settings) is not None) is hears


@pytest.mark.fast
def test_the_words_are_those_of_the_language_with_the_time_in_china():
    assert told({}) == Note(
        "卫生间跌倒",
        "卫生间跌倒，请立即联系\n北京时间 2026-11-23 10:14:07\n家庭 h0001，编号 2b7a10-2",
        "failure",
    )
    assert told({}, language="en") == Note(
        "Fall in the bathroom",
        "Fall in the bathroom: get in touch now\n2026-11-23 10:14:07 Beijing time\n"
        "home h0001, ref. 2b7a10-2",
        "failure",
    )


@pytest.mark.fast
@pytest.mark.parametrize(
    ("state", "trigger", "zh", "en", "kind"),
    [
        (S.CONFIRMED, T.REPEAT, "再次报警，请立即联系", "again: get in touch now", "failure"),
        (S.DISPATCHED, T.REPEAT, "再次报警，请立即联系", "again: get in touch now", "failure"),
        (
            S.NOTIFIED,
            T.ESCALATE,
            "仍无人受理，请立即联系",
            "nobody has answered: get in touch now",
            "failure",
        ),
        (S.ACKNOWLEDGED, T.ACKNOWLEDGE, "已有人受理", "somebody is dealing with it", "info"),
        (S.DISPATCHED, T.DISPATCH, "已派人前往", "help is on the way", "info"),
        (S.ARRIVED, T.ARRIVE, "人员已到达", "help has arrived", "info"),
        (S.RECOVERED, T.RECOVER, "已结束：恢复正常", "over: back to normal", "success"),
        (S.CANCELLED, T.CANCEL, "已结束：已取消", "over: cancelled", "success"),
        (S.CLOSED, T.CLOSE, "已结束：处理完毕", "over: dealt with", "success"),
    ],
)
def test_how_it_goes_on_is_said_in_both_languages(state, trigger, zh, en, kind):
    changes = {"event": 4, "state": state, "trigger": trigger}
    chinese, english = told(changes), told(changes, language="en")
    assert chinese.body.splitlines()[0] == f"卫生间跌倒，{zh}"
    assert english.body.splitlines()[0] == f"Fall in the bathroom: {en}"
    assert chinese.kind == english.kind == kind


@pytest.mark.fast
def test_a_message_has_no_measured_value_and_nothing_that_somebody_wrote():
    secret = {"evidence": {"bpm": 147.0}, "score": 0.987, "reason": "call 13800138000"}
    note = told(secret | {"condition": "heart_rate_high", "state": S.CLOSED, "trigger": T.CLOSE})
    for word in ("147", "987", "13800138000", "p1", "pendant-1", "640302001001"):
        assert word not in note.title + note.body
    assert told({"priority": "medium", "condition": "heart_rate_high"}).kind == "warning"


@pytest.mark.fast
@pytest.mark.parametrize(
    ("flags", "prefix"),
    [
        (["drill"], "[演练 DRILL] "),
        (["simulated"], "[模拟 SIMULATED] "),
        (["simulated", "drill"], "[模拟 SIMULATED] [演练 DRILL] "),
    ],
)
def test_what_is_not_real_says_so_first(flags, prefix):
    note = told({"flags": flags}, drills=True)
    assert note.title == f"{prefix}卫生间跌倒"
    assert note.body.startswith(f"{prefix}卫生间跌倒，")


@pytest.mark.fast
def test_what_comes_late_says_how_late_and_a_wrong_clock_says_that():
    profile = FamilyProfile(FamilySettings(urls_file="x"))
    english = FamilyProfile(FamilySettings(urls_file="x", language="en"))

    def second(late_s, one=profile, trusted=True, **changes):
        stamp = Stamp(AT_MS / 1000 + late_s, 1, trusted)
        return one.deliver(body(**changes), stamp).body.splitlines()[2]

    assert second(599.0).startswith("家庭")
    assert second(600.0) == "迟到的消息：报警发生 0 小时 10 分钟后才发出"
    assert second(26 * 3600 + 90) == "迟到的消息：报警发生 26 小时 1 分钟后才发出"
    assert second(7200.0, english) == "LATE: sent 2 h 0 min after it was raised"
    assert second(7200.0, trusted=False).startswith("家庭")
    assert second(7200.0, clock="none").startswith("家庭")
    assert "（时钟未校准）" in told({"clock": "none"}).body
    assert "(clock not set)" in told({"clock": "none"}, language="en").body


@pytest.mark.fast
def test_a_row_that_is_no_event_is_refused():
    with pytest.raises(RowError):
        FamilyProfile(FamilySettings(urls_file="x")).deliver(b"{}", STAMP)


# -- the addresses --------------------------------------------------------------------------


def urls(folder, *lines, mode=0o600):
    path = folder / "urls"
    path.write_text("\n".join(lines))
    path.chmod(mode)
    return str(path)


def test_a_label_stays_with_its_address_and_gives_nothing_away(tmp_path):
    one, two = "wecombot://SECRETSECRETSECRET", "MailTos://u:p@example.org?to=a@example.org"
    _, both = read_family({"urls_file": urls(tmp_path, "# family", "", one, f"  {two} ")})
    _, alone = read_family({"urls_file": urls(tmp_path, two)})

    assert [address.url for address in both] == [one, two]
    assert both[1:] == alone
    assert both[1].label.startswith("mailtos-")
    assert "SECRET" not in repr(both)
    assert re.fullmatch("wecombot-[0-9a-f]{6}", both[0].label)


@pytest.mark.parametrize(
    ("lines", "mode", "message"),
    [
        (["ntfy://t"], 0o640, "settings.urls_file: others may read it: chmod 600"),
        (["ntfy://t", "secret"], 0o600, "settings.urls_file: line 2 is no address: SERVICE://..."),
        (["ntfy://t", "ntfy://t"], 0o600, "settings.urls_file: line 2 is there twice"),
        (["# none"], 0o600, "settings.urls_file: 0 addresses; 1 to 8 are allowed"),
        ([f"ntfy://t{n}" for n in range(9)], 0o600, "settings.urls_file: 9 addresses; 1 to 8 are"),
        (["ntfy://" + "t" * 4096], 0o600, "settings.urls_file: longer than 4096 bytes"),
        ([""], 0o600, "settings.urls_file: is empty"),
    ],
)
def test_a_mistake_in_the_file_of_addresses_names_the_line_and_never_shows_it(
    tmp_path, lines, mode, message
):
    settings = {"urls_file": urls(tmp_path, *lines, mode=mode)}
    with pytest.raises(ConfigError) as caught:
        names_of(RouteConfig(name="family", profile="apprise", settings=settings), 0)
    assert str(caught.value).startswith(f"route[0].{message}")
    assert "secret" not in str(caught.value)


def test_without_apprise_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("edge_agent.relay.making.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        Home(tmp_path, []).add(config(tmp_path, "ntfy://topic"))
    assert str(caught.value) == (
        "route[0].profile: apprise is not installed: pip install 'anzhen[apprise]'"
    )


def test_every_address_has_verdicts_of_its_own_in_the_outbox(tmp_path):
    tree = {
        "home": {"region": "640302001001", "home": "h0001"},
        "place": [],
        "unit": [],
        "mqtt": {"host": "h"},
        "route": [
            {"name": "family", "profile": "apprise",
             "settings": {"urls_file": urls(tmp_path, "ntfy://a", "dingtalk://b")}},
        ],
    }  # fmt: skip
    names = route_names(parse(tree))
    assert [name.rpartition("-")[0] for name in names] == ["", "family-ntfy", "family-dingtalk"]
    tree["route"][0]["host"] = "h"
    with pytest.raises(ConfigError) as caught:
        parse(tree)
    assert str(caught.value) == (
        "route[0].host: not of a family's route: settings.urls_file says it"
    )


def make_routes(folder, hooks, *tables, **more):
    tree = {"home": {"region": "640302001001", "home": "h0001"}, "place": [], "unit": []}
    parsed = parse(tree | {"route": list(tables)} | more)
    outbox = Outbox(folder / "o.db", route_names(parsed), nullcontext)
    presence = Presence("s", list, lambda: None)
    return outbox, Routes(parsed, outbox, SystemClock(), hooks, presence)


async def nobody(*_):
    pass


TOWN = {"name": "town", "profile": "native", "host": "127.0.0.1", "port": 9}


def table(folder, url, **more):
    settings = {"urls_file": urls(folder, url)}
    return {"name": "family", "profile": "apprise", "settings": settings, **more}


@pytest.mark.parametrize("reserve", [False, True])
async def test_only_what_a_reserve_took_is_not_heard_elsewhere(tmp_path, reserve):
    family = table(tmp_path, "ntfy://a", reserve=reserve)
    _, routes = make_routes(tmp_path, Hooks(nobody, nobody, nobody), TOWN, family)
    for number, route in enumerate(routes.all):
        await routes._accepted(route.name, Row(1, "a", number, b"", 0))
    assert routes._is_heard("a", 0)
    assert routes._is_heard("a", 1) is not reserve


@pytest.mark.parametrize(
    ("tables", "more", "is_notified"),
    [((), {}, True), ((TOWN,), {}, False), ((), {"mqtt": {"host": "127.0.0.1", "port": 9}}, False)],
)
async def test_a_family_makes_a_notified_only_where_there_is_no_platform(
    tmp_path, tables, more, is_notified
):
    accepted, passed = [], []

    async def accept(route, row):
        accepted.append(row.event)

    async def skip(route, row):
        passed.append(row.event)

    async with serving() as server:
        one = table(tmp_path, server.url)
        outbox, routes = make_routes(tmp_path, Hooks(accept, skip, nobody), *tables, one, **more)
        await outbox.open()
        await outbox.put(Batch([Alarm(CONFIRMED, 1.0, 2.0)]), 1.0)
        task = asyncio.create_task(routes.all[-1].run())
        async with asyncio.timeout(20):
            while not accepted and not passed:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await outbox.close()
    assert (accepted[:1], passed[:1]) == (([2], []) if is_notified else ([], [2]))


# -- a real server --------------------------------------------------------------------------


PACE_S = family.PACE_S  # before `pace` has its way


@pytest.fixture(autouse=True)
def pace(monkeypatch):
    monkeypatch.setattr(family, "PACE_S", 0.01)
    monkeypatch.setattr(family, "BACKOFF_FIRST_S", 0.1)


def config(folder, *addresses, **more):
    settings = {"urls_file": urls(folder, *addresses)} | more
    return RouteConfig(name="family", profile="apprise", settings=settings)


async def test_a_message_arrives_and_makes_no_notified(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    async with serving() as server:
        one = config(tmp_path, server.url)
        home = Home(tmp_path, names_of(one, 0))
        route = home.add(one)
        async with running(home):
            await home.put(ALARM_ID)
            await home.put("quiet", state=S.NOTIFIED, trigger=T.NOTIFY)
            await home.until(lambda: len(home.passed) == 2)
    assert home.accepted == []  # that a messenger took it does not mean that anybody knows
    (message,) = server.got
    assert (message["title"], message["type"]) == ("卫生间跌倒", "failure")
    assert message["message"].splitlines()[0] == "卫生间跌倒，请立即联系"
    assert route.standing.problem() is None
    assert "SECRET" not in caplog.text


async def test_where_there_is_no_platform_at_all_it_is_the_best_there_is(tmp_path):
    async with serving() as server:
        one = config(tmp_path, server.url)
        home = Home(tmp_path, names_of(one, 0))
        home.add(one, is_only=True)
        async with running(home):
            await home.put(ALARM_ID)
            await home.put("battery", condition="battery_low", priority="low")
            await home.until(lambda: home.accepted and home.passed)
    assert [alarm_id for _, alarm_id in home.accepted] == [ALARM_ID]
    assert [alarm_id for _, alarm_id in home.passed] == ["battery"]


async def test_a_server_that_refuses_is_tried_until_it_takes_it_in_order(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("random.random", lambda: 0.0)
    async with serving() as server:
        server.answer = 500
        one = config(tmp_path, server.url)
        home = Home(tmp_path, names_of(one, 0))
        route = home.add(one)
        async with running(home):
            await home.put(ALARM_ID)
            await home.put(ALARM_ID, event=3, state=S.ACKNOWLEDGED, trigger=T.ACKNOWLEDGE)
            await home.until(lambda: server.asked >= 2)
            assert home.passed == []
            assert (route.standing.error, route.standing.problem()) == (
                "the message was not taken", "no connection",
            )  # fmt: skip
            server.answer = 200
            await home.until(lambda: len(home.passed) == 2)
            assert route.standing.problem() is None
            assert await home.outbox.backlog() == {route.name: 0}
            assert route._waiting.next_due_s() is None  # nothing wakes it any more
    assert [one["message"].splitlines()[0] for one in server.got] == [
        "卫生间跌倒，请立即联系", "卫生间跌倒，已有人受理",
    ]  # fmt: skip
    assert "SECRET" not in caplog.text
    assert "SECRET" not in str(msgspec.to_builtins(route.standing.error))
    said = [one for one in caplog.messages if one.startswith(f"route {route.name}: ")]
    assert said == [
        f"route {route.name}: {why}" for why in ("the message was not taken", "answers")
    ]


async def asked(folder, answer, count):
    """Seconds between the tries of so many alarms."""
    async with serving() as server:
        server.answer = answer
        one = config(folder, server.url)
        home = Home(folder, names_of(one, 0))
        home.add(one)
        async with running(home):
            for number in range(count):
                await home.put(f"a{number}")
            await home.until(lambda: server.asked == count)
    times = server.asked_s
    return [later_s - time_s for time_s, later_s in pairwise(times)]


async def test_while_a_server_refuses_other_alarms_wait_longer_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(family, "BACKOFF_FIRST_S", 2.0)
    monkeypatch.setattr("random.random", lambda: 1.0)
    first_s, second_s = await asked(tmp_path, 500, 3)
    assert first_s >= 2.0
    assert second_s >= 4.0


async def test_robots_are_not_told_more_than_they_take(tmp_path, monkeypatch):
    monkeypatch.setattr(family, "PACE_S", PACE_S)
    (gap_s,) = await asked(tmp_path, 200, 2)
    assert gap_s >= PACE_S == 60.0 / 20


async def test_a_reserve_that_has_told_of_an_alarm_tells_how_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("edge_agent.relay.reserve.RESERVE_S", 0.2)
    async with serving() as server:
        one = replace(config(tmp_path, server.url), reserve=True)
        home = Home(tmp_path, names_of(one, 0))
        home.add(one)
        async with running(home):
            await home.put(ALARM_ID)
            await home.until(lambda: len(home.passed) == 1)
            home.heard.add((ALARM_ID, 3))  # a platform is there again
            await home.put(ALARM_ID, event=3, state=S.ACKNOWLEDGED, trigger=T.ACKNOWLEDGE)
            await home.until(lambda: len(home.passed) == 2)
    assert len(server.got) == 2


async def test_a_silent_server_holds_up_no_other_address(tmp_path):
    async with serving() as silent, serving() as other:
        silent.answer = None
        one = config(tmp_path, f"{silent.url}&rto=60", other.url)
        home = Home(tmp_path, names_of(one, 0))
        home.add(one)
        async with running(home):
            await home.put(ALARM_ID)
            await home.until(lambda: other.got and silent.asked)
            await home.put("second")
            await home.until(lambda: len(other.got) == 2)
            assert {route for route, _ in home.passed} == {home.routes[1].name}
            began_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began_s < 3.0  # the agent ends all the same


async def test_a_server_that_never_answers_is_given_up_and_its_process_is_gone():
    async with serving() as server:
        server.answer = None
        began_s = asyncio.get_running_loop().time()
        outcome = await send(f"{server.url}&rto=60", NOTE, nullcontext, timeout_s=4.0)
        assert outcome is Outcome.NOT_SENT
        assert 3.9 < asyncio.get_running_loop().time() - began_s < 6.0
        assert server.asked == 1


async def test_an_address_that_apprise_does_not_know_is_said_before_the_first_alarm(tmp_path):
    one = config(tmp_path, "nonsense://SECRET")
    home = Home(tmp_path, names_of(one, 0))
    route = home.add(one)
    async with running(home):
        await home.until(lambda: route.standing.trouble is not None)
    assert route.standing.problem() == "the address in urls_file is none that apprise knows"


async def test_what_is_no_event_is_parked_and_the_next_one_goes(tmp_path):
    async with serving() as server:
        one = config(tmp_path, server.url)
        home = Home(tmp_path, names_of(one, 0))
        route = home.add(one)
        async with running(home):
            await home.put("bad", onset="yesterday")
            await home.put(ALARM_ID)
            await home.until(lambda: server.got)
            await home.until(lambda: home.passed)
    assert route.standing.parked == 1
    assert [alarm_id for _, alarm_id in home.passed] == [ALARM_ID]


def test_a_family_may_ask_for_every_state_that_is_no_call_for_help():
    asked = [state.value for state in State if state not in (State.CONFIRMED, State.NOTIFIED)]
    given = convert({"urls_file": "x", "states": asked}, FamilySettings)
    assert list(given.states) == asked
    for never in (State.CONFIRMED, State.NOTIFIED):  # these are told whatever is asked for
        with pytest.raises(ConfigError):
            convert({"urls_file": "x", "states": [never.value]}, FamilySettings)
