"""The routes of one configuration together: names, what they say of themselves, certificates."""

import time

import pytest

from edge_agent.clock import SystemClock
from edge_agent.config.load import parse
from edge_agent.config.reading import ConfigError
from edge_agent.outbox.outbox import Outbox
from edge_agent.outbox.rows import Row
from edge_agent.relay.profile import Publication
from edge_agent.relay.route import Hooks, Presence, Standing
from edge_agent.relay.routes import MAX_HEARD, Routes, route_names
from tests.relay.authority import Authority

HOME = {
    "home": {"region": "640302001001", "home": "h0001"},
    "place": [{"id": "bath", "zh": "卫生间", "en": "bathroom"}],
    "unit": [{"id": "u1", "port": "/nowhere", "place": "bath"}],
}


def native(name, **more):
    return {"name": name, "profile": "native", "host": "127.0.0.1", **more}


async def nobody(*_):
    pass


def make(tmp_path, tree):
    config = parse(HOME | tree)
    outbox = Outbox(tmp_path / "o.db", route_names(config), SystemClock().outside)
    presence = Presence("s", list, lambda: None)
    return Routes(config, outbox, SystemClock(), Hooks(nobody, nobody, nobody), presence)


def test_the_native_route_comes_first_and_each_has_a_line_in_status(tmp_path):
    routes = make(tmp_path, {"mqtt": {"host": "127.0.0.1"}, "route": [native("town")]})

    assert [route.name for route in routes.all] == ["mqtt", "town"]
    assert routes.problems() == {"mqtt": "no connection", "town": "no connection"}
    assert [(one["route"], one["waiting"]) for one in routes.status({"town": 3})] == [
        ("mqtt", 0), ("town", 3),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_mistake_names_the_route_that_it_is_in(tmp_path, number):
    tables = [native(f"r{n}", port=9) for n in range(3)]
    tables[number]["settings"] = {"user": "x"}
    with pytest.raises(ConfigError) as caught:
        make(tmp_path, {"route": tables})
    assert caught.value.key == f"route[{number}].settings.user"


def test_parked_rows_are_told_by_number_and_without_the_platforms_own_words(tmp_path):
    routes = make(tmp_path, {"route": [native("town"), native("county")]})
    routes.all[1].standing.parked = 2
    routes.all[1].standing.refused = "460 of somebody's name"

    assert routes.refusals() == {"county": "2 events parked"}


def test_retained_states_go_to_native_routes_only(tmp_path):
    token = tmp_path / "token"
    token.write_text("abc")
    token.chmod(0o600)
    other = {"name": "tb", "profile": "thingsboard", "host": "h"}
    routes = make(
        tmp_path,
        {"route": [native("town"), other | {"settings": {"access_token_file": str(token)}}]},
    )
    routes.publish(Publication("x/state", b"1", retain=True))

    said = {route.name: list(route._conversation._states) for route in routes.all}
    assert said == {"town": ["x/state"], "tb": []}


async def test_what_the_reserve_itself_took_is_not_heard_elsewhere_and_memory_is_bounded(tmp_path):
    routes = make(tmp_path, {"route": [native("town"), native("spare", reserve=True)]})

    await routes._accepted("spare", Row(1, "a", 1, b"", 0))
    assert not routes._is_heard("a", 1)
    for number in range(MAX_HEARD + 5):
        await routes._accepted("town", Row(number, f"a{number}", 1, b"", 0))
    assert len(routes._heard) == MAX_HEARD
    assert routes._is_heard(f"a{MAX_HEARD + 4}", 1)
    assert not routes._is_heard(f"a{MAX_HEARD + 4}", 2)


def test_the_certificate_that_ends_first_counts_and_one_that_is_away_does_not(
    tmp_path, tmp_path_factory
):
    authority = Authority(tmp_path_factory.mktemp("ca"))

    def tls(name, days):
        certificate, key = authority.issue(name, to_days=days)
        return {"ca_file": str(authority.ca), "cert_file": str(certificate), "key_file": str(key)}

    soon = tls("soon", 10.0)
    routes = make(
        tmp_path,
        {"mqtt": {"host": "h", "tls": tls("late", 90.0)}, "route": [native("town", tls=soon)]},
    )
    assert routes.certificate_ends_s() == pytest.approx(time.time() + 10 * 86_400, abs=60)
    open(soon["cert_file"], "w").close()  # being written anew
    assert routes.certificate_ends_s() == pytest.approx(time.time() + 90 * 86_400, abs=60)


@pytest.mark.fast
@pytest.mark.parametrize(
    ("standing", "problem"),
    [
        (Standing(is_online=True), None),
        (Standing(is_online=True, parked=3), None),
        (Standing(), "no connection"),
        (Standing(is_online=True, is_silent=True), "no answer"),
        (Standing(is_silent=True), "no connection"),
        (Standing(trouble="look"), "look"),
    ],
)
def test_what_keeps_alarms_from_a_platform_is_said_in_words(standing, problem):
    assert standing.problem() == problem
