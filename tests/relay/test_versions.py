"""Which version of MQTT an address is spoken to in; falling back never costs more than one try."""

import pytest

from edge_agent.relay.versions import CERTAIN_S, CONNECT_S, PERHAPS_S, PROBE_S, Versions, allowed

pytestmark = pytest.mark.fast


@pytest.fixture
def versions():
    return Versions(allowed("auto"))


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_version_that_is_configured_is_never_left(protocol):
    versions = Versions(allowed(protocol))
    for _ in range(3):
        assert versions.choose(0, 0.0) == protocol
        assert versions.wait_s(0) == CONNECT_S
        assert not versions.note_refused(0, is_certain=True)
        versions.note_ended(0)


@pytest.mark.parametrize(("is_certain", "kept_s"), [(True, CERTAIN_S), (False, PERHAPS_S)])
def test_what_works_in_3_1_1_alone_is_remembered_and_tried_again_after_a_while(
    versions, is_certain, kept_s
):
    assert versions.choose(0, 0.0) == "5"
    assert versions.note_refused(0, is_certain=is_certain)
    assert versions.choose(0, 0.0) == "3.1.1"
    versions.note_connected(0, versions.choose(0, 0.0), 10.0)
    versions.note_ended(0)
    assert versions.choose(0, 10.0 + kept_s - 1.0) == "3.1.1"
    assert versions.choose(0, 10.0 + kept_s) == "5"
    versions.note_connected(0, versions.choose(0, 10.0 + kept_s), 10.0 + kept_s)
    assert versions.choose(0, 11.0 + kept_s) == "5"  # it was updated


def test_addresses_are_remembered_on_their_own(versions):
    versions.choose(0, 0.0)
    versions.note_refused(0, is_certain=True)
    assert [versions.choose(one, 0.0) for one in (0, 1)] == ["3.1.1", "5"]


def test_an_outage_is_not_remembered_for_a_version(versions):
    versions.choose(0, 0.0)
    assert versions.note_refused(0, is_certain=False)  # hung up: it was going down
    versions.choose(0, 0.0)
    versions.note_ended(0)  # and is away in 3.1.1 as well
    assert versions.choose(0, 1.0) == "5"


def test_an_address_that_has_5_and_keeps_silent_is_away_and_gets_no_second_try_at_once(versions):
    assert versions.choose(0, 0.0) == "5"
    assert versions.wait_s(0) == PROBE_S
    versions.note_connected(0, versions.choose(0, 0.0), 0.0)
    versions.note_ended(0)
    assert versions.choose(0, 1.0) == "5"
    assert versions.wait_s(0) == CONNECT_S
    assert not versions.note_refused(0, is_certain=False, is_silent=True)
    versions.note_ended(0)
    assert versions.choose(0, 2.0) == "3.1.1"  # when its turn comes again


def test_an_address_that_keeps_silent_on_the_first_try_gets_3_1_1_at_once(versions):
    versions.choose(0, 0.0)
    assert versions.note_refused(0, is_certain=False, is_silent=True)
    assert versions.choose(0, 3.0) == "3.1.1"
    assert versions.wait_s(0) == CONNECT_S


def test_what_was_remembered_goes_when_the_address_will_not_have_3_1_1_any_more(versions):
    versions.choose(0, 0.0)
    versions.note_refused(0, is_certain=True)
    versions.note_connected(0, versions.choose(0, 0.0), 0.0)
    versions.note_ended(0)
    assert versions.choose(0, 60.0) == "3.1.1"
    assert not versions.note_refused(0, is_certain=False)
    versions.note_ended(0)
    assert versions.choose(0, 61.0) == "5"
