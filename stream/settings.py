"""Settings: one YAML file, overridden by environment variables, refused with file, path and value when wrong.

Every field's docstring below is its documentation; docs/settings.md is generated from them.
"""

from typing import Annotated, Literal

import msgspec

type Positive = Annotated[int, msgspec.Meta(gt=0)]
type PositiveSeconds = Annotated[float, msgspec.Meta(gt=0)]
type Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
type Probability = Annotated[float, msgspec.Meta(gt=0, lt=1)]

ENVIRONMENT_PREFIX = "TIDEGATE_"


class KafkaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where Kafka is."""

    bootstrap_servers: str = ""
    """Comma-separated `host:port` list. Empty: `tidegate up` starts the embedded Apache Kafka."""
    replication_factor: Positive = 1
    """Replicas of the topics that Tidegate creates."""
    partitions: Positive = 8
    """Partitions of the samples, state and dead-letter topics that Tidegate creates."""


class TopicSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of the topics."""

    metrics: str = "metrics"
    """Your topic of metrics: Telegraf JSON, any key."""
    logs: str = "logs"
    """Your topic of log records: JSON or plain text lines, any key."""
    samples: str = "tidegate.samples.v1"
    """Cleaned readings, keyed by host."""
    state: str = "tidegate.state.v1"
    """Model state, compacted."""
    signals: str = "tidegate.signals.v1"
    """Signals and the roster, one partition."""
    commands: str = "tidegate.commands.v1"
    """Requests of operators, one partition."""
    audit: str = "tidegate.audit.v1"
    """Every decision, one partition, kept for ever."""
    deadletter: str = "tidegate.deadletter.v1"
    """Records that could not be read, with the reason."""


class DetectSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The detect role."""

    group: str = "tidegate-detect"
    """Consumer group of the detect workers."""
    workers: Positive = 1
    """Detect worker processes that `tidegate up` starts."""
    threshold: float = 3.0
    """A host is anomalous from this calibrated score on (-log10 of a tail probability)."""
    state_bytes_per_second: Positive = 8_000_000
    """Budget for writing model state, per worker."""
    hosts_maximum: Positive = 10_000
    """Hosts that one partition keeps a model of; further new hosts are refused and counted."""
    series_maximum: Positive = 500
    """Series of one host; further new series are dropped and counted."""
    record_bytes_maximum: Positive = 65_536
    """Larger records go to the dead letter."""
    past_maximum_seconds: PositiveSeconds = 86_400.0
    """Older readings go to the dead letter."""
    future_maximum_seconds: PositiveSeconds = 60.0
    """Readings further in the future go to the dead letter."""
    silence_seconds: PositiveSeconds = 60.0
    """A host is silent after at least this long without a reading (and ten of its usual intervals)."""
    roster_seconds: PositiveSeconds = 60.0
    """The whole roster is repeated this often."""
    session_timeout_seconds: PositiveSeconds = 10.0
    """A worker that sends no heartbeat for this long loses its partitions."""
    health_port: Port = 9464
    """Port of `/metrics`, `/healthz`, `/readyz` of the first worker; the next workers take the next ports. 0: any."""


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine role."""

    policy: str = "policy.yml"
    """Policy file, relative to the settings file."""
    playbooks: str = "playbooks"
    """Folder of playbooks, relative to the settings file."""
    inventory: str = "inventory.yml"
    """Ansible inventory file, relative to the settings file."""
    run_concurrency_maximum: Positive = 2
    """Playbook runs at a time in this engine; further ones wait."""
    health_port: Port = 9463
    """Port of `/metrics`, `/healthz`, `/readyz`; 0: any free port."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    kafka: KafkaSettings = KafkaSettings()
    topics: TopicSettings = TopicSettings()
    detect: DetectSettings = DetectSettings()
    engine: EngineSettings = EngineSettings()
    health_address: str = "127.0.0.1"
    """Address that the health endpoints listen on."""
    state_folder: str = "~/.local/state/tidegate"
    """Folder for the embedded broker's data, run artifacts and logs."""
    log_format: Literal["json", "console"] = "json"
    """Form of Tidegate's own log lines."""
