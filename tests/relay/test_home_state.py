"""What stands on our own state topic: whose word it may be, and what is said against it."""

from dataclasses import dataclass

import pytest

from edge_agent.clock import Instant, Quality
from edge_agent.relay.home_state import HomeState
from edge_agent.relay.profile import AgentSeen, Publication
from edge_agent.relay.route import Presence, Standing

pytestmark = pytest.mark.fast

BIRTH = [Publication("x/agent/state", b"online", retain=True), Publication("x/1", b"", retain=True)]
MINE, OTHER = AgentSeen("online", "me"), AgentSeen("online", "s2")
TROUBLE = "another agent speaks for this home: session s2"


@dataclass
class Clock:
    quality: Quality = Quality.NONE

    def now(self):
        return Instant(1.0, 2.0, self.quality)


@pytest.fixture
def standing():
    return Standing()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def home(standing, clock):
    presence = Presence("me", lambda: list(BIRTH), lambda: BIRTH[0])
    return HomeState("town", presence, standing, clock)


def reconnect(home):
    home.ended()
    home.birth()
    home.born()


def test_a_birth_is_said_again_once_for_every_change_of_who_vouches_for_the_clock(home, clock):
    assert home.birth() == BIRTH
    assert home.corrected() == []
    clock.quality = Quality.NTP
    assert home.corrected() == BIRTH
    assert home.corrected() == []
    clock.quality = Quality.NONE
    assert home.birth() == BIRTH
    assert home.corrected() == []


def test_our_own_word_and_a_will_that_the_broker_kept_mean_nothing(home, standing):
    home.born()
    for retained in (False, True):
        assert home.look_at(MINE, retained=retained) is None
    assert home.look_at(AgentSeen("lost", "s1"), retained=True) is None
    assert standing.trouble is None


@pytest.mark.parametrize("session", ["me", "s1"])
def test_a_will_that_comes_late_is_overwritten_whose_ever_it_is(home, session):
    home.born()
    assert home.look_at(AgentSeen("lost", session), retained=False) == BIRTH[0]


def test_another_agents_birth_is_said_until_its_will_comes(home, standing, caplog):
    home.born()
    assert home.look_at(OTHER, retained=False) is None
    assert standing.trouble == TROUBLE
    home.look_at(AgentSeen("lost", "me"), retained=False)  # our own will is not its
    assert standing.trouble == TROUBLE
    home.look_at(AgentSeen("lost", "s2"), retained=False)
    assert standing.trouble is None
    assert caplog.messages == [f"route town: {TROUBLE}"]


def test_what_the_broker_kept_of_another_counts_once_our_own_birth_has_stood_there(home, standing):
    assert home.look_at(OTHER, retained=True) is None
    assert standing.trouble is None
    home.born()
    home.look_at(OTHER, retained=True)  # kept from before our birth
    assert standing.trouble is None
    reconnect(home)
    home.look_at(OTHER, retained=True)
    assert standing.trouble == TROUBLE


def test_a_connection_without_a_birth_proves_nothing(home, standing):
    home.ended()
    home.look_at(OTHER, retained=True)
    assert standing.trouble is None


@pytest.mark.parametrize("session", ["", "a b", "x" * 65, "一", "a\nb"])
def test_a_session_of_no_form_is_not_repeated(home, standing, session):
    home.look_at(AgentSeen("online", session), retained=False)
    assert standing.trouble == "another agent speaks for this home: session ?"


def test_a_route_without_a_presence_says_and_hears_nothing_of_it(standing, clock):
    home = HomeState("tb", None, standing, clock)
    assert home.birth() == []
    clock.quality = Quality.NTP
    assert home.corrected() == []
    assert home.look_at(OTHER, retained=False) is None
    assert home.look_at(AgentSeen("lost", "s2"), retained=False) is None
    assert standing.trouble is None
