"""Logins: the vectors computed from the platforms' stated rules, byte for byte."""

import pytest

from edge_agent.relay.profile import Login, Stamp
from edge_agent.relay.profiles.onenet import token
from tests.relay.profiles.samples import make

pytestmark = pytest.mark.fast


def test_thingsboard_logs_in_with_the_token_and_an_empty_password(tmp_path):
    assert make("thingsboard", tmp_path).login(Stamp(0.0, 1)) == Login(
        "anzhen", "A1_TEST_TOKEN", ""
    )


@pytest.mark.parametrize(("tls", "mode"), [(True, 2), (False, 3)])
def test_aliyun_signs_the_names_in_alphabetical_order_and_needs_no_clock(tmp_path, tls, mode):
    profile = make("aliyun", tmp_path, tls=tls)
    login = profile.login(Stamp(0.0, 1, is_trusted=False))

    assert login == Login(
        f"a1X2bEnP82z.example1|securemode={mode},signmethod=hmacsha256,timestamp=2524608000000|",
        "example1&a1X2bEnP82z",
        "B8CE8F1D706DD3C61D13BFD9855DEF7E321B785084CA9C93F0169A2B46785DD2",
    )
    assert profile.login(Stamp(1.8e9, 2)) == login


def test_jetlinks_signs_the_milliseconds_in_lower_case(tmp_path):
    assert make("jetlinks", tmp_path).login(Stamp(1_601_196_762.389, 1)) == Login(
        "h0001", "admin|1601196762389", "4e9f0ce893b599322bfe3c2f2489d95e"
    )


@pytest.mark.parametrize("trusted", [True, False])
def test_huawei_has_the_hour_for_a_key_and_lets_it_be_checked_only_when_it_is_right(
    tmp_path, trusted
):
    # 2025-06-10 12:00:00 UTC
    login = make("huawei", tmp_path).login(Stamp(1_749_556_800.0 + 1799, 1, is_trusted=trusted))

    assert login == Login(
        f"5fdb75cccbfe2f02ce81d4bf_mybed001_0_{int(trusted)}_2025061012",
        "5fdb75cccbfe2f02ce81d4bf_mybed001",
        "0bbc34e1ecc083d73f2f95c604cdca9d9c15869161b6c326c7d2207530fce4b5",
    )


def test_onenet_signs_by_lines_and_encodes_what_goes_into_the_token():
    key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

    assert token("123123", "78329710", key, 1_735_689_600) == (
        "version=2018-10-31&res=products%2F123123%2Fdevices%2F78329710&et=1735689600"
        "&method=sha256&sign=l6v8PhJK6h3VIxRFN7ff7TD9RVCTCkwd1VezTJmwE0U%3D"
    )


def test_onenet_logs_in_with_the_names_of_the_device_and_its_product(tmp_path):
    login = make("onenet", tmp_path).login(Stamp(1.0, 1))

    assert (login.client_id, login.username) == ("78329710", "123123")
    assert "&res=products%2F123123%2Fdevices%2F78329710&" in login.password


def test_a_onenet_token_of_an_untrusted_clock_has_not_ended_whatever_the_time(tmp_path):
    profile = make("onenet", tmp_path)

    assert "&et=604801&" in profile.login(Stamp(1.0, 1)).password
    assert "&et=4102444800&" in profile.login(Stamp(1.0, 1, is_trusted=False)).password
