"""The MQTT topics in the contract, and in the files that cannot read them from it."""

from pathlib import Path

import pytest
from paho.mqtt.client import topic_matches_sub

from contracts import Topic, topics
from contracts.validation import schema

ACL = Path(__file__).parents[2] / "deploy" / "mosquitto" / "acl.template"
TOPICS = list(topics().values())


def rules(kind: str, access: str) -> set[str]:
    """Return topics of the broker's rules of one kind: `topic` for the gateway, `pattern` for every button."""
    lines = (line.split() for line in ACL.read_text().splitlines() if line.startswith(f"{kind} {access} "))
    return {topic for _, _, topic in lines if not topic.startswith("$SYS")}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.message)
def test_schema_of_a_message_names_its_topic(topic: Topic) -> None:
    retained = ", retained" if topic.retained else ""
    assert str(schema(topic.message)["description"]).startswith(f"MQTT {topic.topic}, QoS {topic.qos}{retained}")


def test_building_broker_allows_buttons_their_own_topics() -> None:
    assert rules("pattern", "write") == {topic.of("%u") for topic in TOPICS if topic.sender == "button"}
    assert rules("pattern", "read") == {topic.of("%u") for topic in TOPICS if topic.receiver == "button"}


def test_building_broker_allows_the_gateway_its_topics() -> None:
    assert rules("topic", "write") == {topic.of("+") for topic in TOPICS if topic.sender == "gateway"}
    for topic in TOPICS:
        if topic.receiver == "gateway":
            assert any(topic_matches_sub(rule, topic.of("any")) for rule in rules("topic", "read"))
