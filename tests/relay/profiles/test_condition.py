"""The success expression: only what says success in the right type is success."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.relay.profiles.condition import Condition

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Success == true", {"Success": True}),
        ("code == 1", {"code": 1}),
        ("error == false", {"error": False}),
        ("error == null", {"error": None}),
        ("code == 1", {"code": 1.0}),
        ("code in [0, 200]", {"code": 200}),
        ("data.0.msg == 'ok'", {"data": [{"msg": "ok"}]}),
        ('status == "0" and data.id != null', {"status": "0", "data": {"id": 7}}),
        ("a == 1 or b == 2 and c == 3", {"a": 1}),
        ("a == 1 or b == 2 and c == 3", {"b": 2, "c": 3}),
        ("成功 == true", {"成功": True}),
        ("data.code in [0, 200]", {"data": {"code": 0}}),
        ("a == 1".ljust(400), {"a": 1}),
        ("code == -1.5", {"code": -1.5}),
    ],
)
def test_what_holds(text, body):
    assert Condition(text).holds(body)


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("Success == true", {"Success": 1}),
        ("Success == true", {"Success": "true"}),
        ("Success == true", {"success": True}),
        ("code == 1", {"code": True}),
        ("code == 1", {"code": "1"}),
        ("code == 0", {"code": False}),
        ("code == 0", {}),
        ("code == null", {}),
        ("code == 0", None),
        ("code == 0", [0]),
        ("code.a == 0", {"code": 0}),
        ("data.5.a == 1", {"data": [{"a": 1}]}),
        ("a == 1 and b == 2", {"a": 1}),
    ],
)
def test_what_does_not_hold(text, body):
    assert not Condition(text).holds(body)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a path at the end of ''"),
        ("code", "expected ==, != or in at the end of 'code'"),
        ("code = 1", "cannot be read from '= 1' on"),
        ("code == success", "expected a value, not 'success' in 'code == success'"),
        ("code == 1 code == 2", "unexpected 'code' in 'code == 1 code == 2'"),
        ("code in 1", "expected [ after 'in' in 'code in 1'"),
        ("code in [1", "expected ] at the end of 'code in [1'"),
        ("code in [1 2]", "expected ] and not '2' in 'code in [1 2]'"),
        ("code and 1", "expected ==, != or in, not 'and' in 'code and 1'"),
        ("and == 1", "expected a path, not 'and' in 'and == 1'"),
        ("or == 1", "expected a path, not 'or' in 'or == 1'"),
        ("in == 1", "expected a path, not 'in' in 'in == 1'"),
        ("code in", "expected [ at the end of 'code in'"),
        ("true == true", "expected a path, not 'true' in 'true == true'"),
        ("__import__('os')", "cannot be read from \"('os')\" on"),
        ("a == 1".ljust(401), "longer than 400 characters"),
    ],
)
def test_what_is_no_expression_says_where(text, message):
    with pytest.raises(ValueError, match="^" + re.escape(message) + "$"):
        Condition(text)


@given(st.text(alphabet="ab.=!1 \"'[],ndortue", max_size=40))
def test_any_text_is_an_expression_or_refused(text):
    try:
        Condition(text).holds({"a": 1, "b": [True, None, {"a": "x"}]})
    except ValueError as error:
        assert "\n" not in str(error)
