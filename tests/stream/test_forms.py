"""What can not work is refused where it is written, by `tidegate check` and every start alike."""

from pathlib import Path

import pytest

from stream import forms
from stream.errors import SettingsError
from stream.settings import load_settings

TOPICS = {
    "two names": ("cpu,mem", "one topic"),
    "none": ("", "wanted the name of one topic"),
    "a pattern": ("cpu_.*", "no pattern"),
    "a blank": ("cpu load", "letters, digits"),
    "another alphabet": ("größe", "letters, digits"),
    "a slash": ("site/cpu", "letters, digits"),
    "a line end": ("cpu\n", "letters, digits"),
    "one point": (".", "Kafka's own"),
    "two points": ("..", "Kafka's own"),
    "Kafka's offsets": ("__consumer_offsets", "Kafka's own"),
    "one too long": ("c" * 250, "has 250 characters, wanted at most 249"),
}


@pytest.mark.parametrize(("name", "words"), TOPICS.values(), ids=TOPICS.keys())
@pytest.mark.parametrize("setting", ["metrics", "deadletter"])
def test_a_name_that_is_no_topic_is_refused(setting: str, name: str, words: str) -> None:
    """Kafka would refuse it later, or worse: make another topic of it. Environment and file are refused alike."""
    variable = f"TIDEGATE_TOPICS__{setting.upper()}"
    with pytest.raises(SettingsError, match=f"^environment variable {variable}: is ") as caught:
        load_settings(None, {variable: name})
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["a", "Metrics_1", "site-1.cpu", "c" * 249, "_underscore"])
def test_a_name_that_kafka_takes_is_taken(name: str) -> None:
    """Nothing more is refused than Kafka refuses."""
    assert name == load_settings(None, {"TIDEGATE_TOPICS__LOGS": name}).topics.logs


SAME = {
    "metrics and logs": ("{metrics: all, logs: all}", "topics.logs: is 'all': wanted a topic of its own"),
    "an input and the audit log": ("{logs: tidegate.audit.v1}", "topics.audit: is 'tidegate.audit.v1'"),
    "two of Tidegate's": ("{state: one, models: one}", "it is that of topics.state"),
    "one with a point for Kafka's measures": ("{metrics: a.b, logs: a_b}", "'a.b', which Kafka takes for the same"),
}


@pytest.mark.parametrize(("topics", "words"), SAME.values(), ids=SAME.keys())
def test_no_two_topics_are_the_same(tmp_path: Path, topics: str, words: str) -> None:
    """Each stream has a topic of its own: a loop or a mixture is never begun."""
    file = tmp_path / "tidegate.yml"
    file.write_text(f"topics: {topics}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert str(caught.value).startswith(f"{file}: topics.")
    assert words in str(caught.value)


def test_what_is_overridden_is_not_judged(tmp_path: Path) -> None:
    """The settings that hold in the end are judged, whatever they were in between."""
    file = tmp_path / "tidegate.yml"
    file.write_text("topics: {metrics: x, logs: 'y,z'}\n")
    names = load_settings(file, {"TIDEGATE_TOPICS__LOGS": "x", "TIDEGATE_TOPICS__METRICS": "z"}).topics
    assert ("z", "x") == (names.metrics, names.logs)


SERVERS = {
    "one": ("kafka:9092", True),
    "several, with blanks": ("k-1.site:9092, k_2:9093", True),
    "an address": ("10.0.0.7:9092", True),
    "an IPv6 address": ("[2001:db8::7]:9092", True),
    "no port": ("kafka", False),
    "an empty one": ("kafka:9092,,k2:9092", False),
    "one that ends with a comma": ("kafka:9092,", False),
    "a URL": ("kafka://kafka:9092", False),
    "a listener": ("PLAINTEXT://kafka:9092", False),
    "a port that is none": ("kafka:92x", False),
    "port 0": ("kafka:0", False),
    "a port that is too high": ("kafka:65536", False),
    "digits of another alphabet": ("kafka:९०९२", False),
    "no host": (":9092", False),
    "a blank in the name": ("my kafka:9092", False),
    "an IPv6 address without brackets": ("2001:db8::7:9092", False),
    "an address with a number too high": ("10.0.0.700:9092", False),
    "separated by blanks": ("a:9092 b:9092", False),
}


@pytest.mark.parametrize(("text", "is_right"), SERVERS.values(), ids=SERVERS.keys())
def test_servers_are_hosts_with_ports(text: str, *, is_right: bool) -> None:
    """What no client could connect to is refused at once, and not after half a minute."""
    assert is_right == (forms.servers(text) == "")
    if not is_right:
        with pytest.raises(SettingsError, match=r"KAFKA__BOOTSTRAP_SERVERS: is .* wanted host:port"):
            load_settings(None, {"TIDEGATE_KAFKA__BOOTSTRAP_SERVERS": text})


OTHERS = {
    "no address": ("health_address: ''", "health_address: is '': wanted an address or the name of a host"),
    "an address with a port": ("health_address: 'localhost:9464'", "health_address: is 'localhost:9464'"),
    "no group": ("detect: {group: ''}", "detect.group: is '': wanted the name of a consumer group"),
    "the engine on a worker's port": (
        "{detect: {workers: 3, health_port: 9461}, engine: {health_port: 9463}}",
        "engine.health_port: is 9463: wanted another port: detect's workers have 9461 to 9463",
    ),
    "more workers than ports": (
        "detect: {workers: 3, health_port: 65534}",
        "detect.health_port: is 65534: wanted ports up to 65536 for its workers: there are none",
    ),
    "no policy": ("engine: {policy: ''}", "engine.policy: is '': wanted a path"),
    "a path of blanks": ("engine: {private_key_file: ' '}", "engine.private_key_file: is ' ': wanted a path"),
    "a path with a code of 0": ('engine: {inventory: "a\\0b"}', "engine.inventory: is 'a\\x00b': has characters"),
    "the home of nobody": (
        "engine: {playbooks: ~nobody-has-this-name/p}",
        "engine.playbooks: is '~nobody-has-this-name/p': begins with the home of a user that is not there",
    ),
    "no state folder": ("state_folder: ''", "state_folder: is '': wanted a path"),
    "a state folder below a file": ("state_folder: tidegate.yml/state", "wanted a folder: "),
    "no variable": ("engine: {environment: {'A=B': c}}", "engine.environment.A=B: is 'c': wanted the name of an"),
    "a value with a code of 0": ('engine: {environment: {A: "b\\0"}}', "engine.environment.A: is 'b\\x00': has a"),
}


@pytest.mark.parametrize(("text", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_what_can_not_work_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """With the file, the setting, its value and what was wanted."""
    file = tmp_path / "tidegate.yml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["inf", "-inf", "nan", "1e999"])
def test_no_limit_is_without_end(text: str) -> None:
    """A variable of the environment is held to what a file is held to."""
    with pytest.raises(SettingsError, match="TIDEGATE_DETECT__SILENCE_SECONDS: is "):
        load_settings(None, {"TIDEGATE_DETECT__SILENCE_SECONDS": text})


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "::1", "localhost", "tidegate-1.site"])  # noqa: S104
def test_health_may_be_served_on_any_address(address: str) -> None:
    """Names and addresses of both families."""
    assert address == load_settings(None, {"TIDEGATE_HEALTH_ADDRESS": address}).health_address
