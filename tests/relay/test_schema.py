"""The written contract is what the types say, and only grows."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from edge_agent.relay.schema import TOPICS, asyncapi, documents, schema_of

pytestmark = pytest.mark.fast

FOLDER = Path(__file__).parents[2] / "docs" / "schema"


def test_the_copies_in_the_documentation_are_what_the_types_say():
    for name, body in documents().items():
        assert (FOLDER / name).read_bytes() == body, f"anzhen schema docs/schema writes {name}"


def test_every_schema_is_one_and_refuses_what_is_no_object():
    for topic in TOPICS:
        schema = schema_of(topic)
        Draft202012Validator.check_schema(schema)
        assert not Draft202012Validator(schema).is_valid("text")


def test_asyncapi_names_every_topic_its_parameters_and_its_payload():
    document = asyncapi()

    assert document["asyncapi"] == "3.0.0"
    for topic in TOPICS:
        channel = document["channels"][topic.name]
        assert channel["address"].endswith(topic.address)
        assert channel["address"].count("{") == len(channel["parameters"])
        assert document["components"]["messages"][topic.name]["payload"]["$ref"] in documents()
    operations = document["operations"].values()
    assert {operation["action"] for operation in operations} == {"send", "receive"}
    assert all(
        json.dumps(operation["channel"]).count("#/channels/") == 1 for operation in operations
    )
