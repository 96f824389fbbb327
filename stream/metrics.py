"""Prometheus metrics of both roles: one table a role, base units, labels from closed sets.

Each role builds its own table on a registry that it is given; nothing is global. docs/metrics.md lists the tables and
a test holds it to them.
"""

import platform
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from stream.damage import Damage
from stream.owner import TROUBLES, Owner

# From a fast local answer to a minute: what ingest and decisions may take.
LAG_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
# From the quickest playbook to half an hour.
RUN_BUCKETS_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


def new_registry(role: str) -> CollectorRegistry:
    """A registry with the usual process, garbage-collector and build figures."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Info("tidegate_build", "Version of Tidegate, the role of this process, Python.", registry=registry)
    build.info({"version": version("tidegate"), "role": role, "python": platform.python_version()})
    return registry


class DetectMetrics:
    """What the detect role tells of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.records = Counter(
            "tidegate_detect_records", "Records read, by topic role.", ("source",), registry=registry
        )
        self.samples = Counter("tidegate_detect_samples", "Readings applied to models.", registry=registry)
        self.dropped = Counter(
            "tidegate_detect_values_dropped", "Values left out of a reading, by reason.", ("reason",), registry=registry
        )
        self.gaps = Counter(
            "tidegate_detect_metrics_empty",
            "Metrics without any usable number, as ordinary producers send them: not dead-lettered.",
            registry=registry,
        )
        self.rejected = Counter(
            "tidegate_detect_records_rejected", "Records sent to the dead letter, by reason.", ("reason",),
            registry=registry,
        )  # fmt: skip
        self.damaged = Counter(
            "tidegate_detect_records_damaged",
            "Records and batches of Kafka that can not be read, by reason; they are in the dead letter. Alert on any.",
            ("reason",),
            registry=registry,
        )
        self.made_anew = Counter(
            "tidegate_detect_topics_made_anew",
            "Partitions that are read from their beginning, as their topic was made anew. Alert on any.",
            ("topic",),
            registry=registry,
        )
        self.left_out = Counter(
            "tidegate_detect_left_out",
            "What models did not take in, by kind: duplicates, late values, hosts and series over a limit.",
            ("kind",),
            registry=registry,
        )
        self._tell_of_hosts(registry)

    def _tell_of_hosts(self, registry: CollectorRegistry) -> None:
        self.signals = Counter(
            "tidegate_detect_signals", "Signals written, by kind and state.", ("kind", "state"), registry=registry
        )
        self.hosts = Gauge("tidegate_detect_hosts", "Hosts in the roster, by state.", ("state",), registry=registry)
        self.unreadable = Gauge(
            "tidegate_detect_hosts_unreadable", "Hosts of which no record gives a reading, by the latest reason.",
            ("reason",), registry=registry,
        )  # fmt: skip
        self.clocks = Gauge(
            "tidegate_detect_hosts_clock_off", "Hosts whose clock or time zone is constantly off.", registry=registry
        )
        self.lag = Histogram(
            "tidegate_detect_ingest_lag_seconds", "Event time to applied.", buckets=LAG_BUCKETS_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.samples_lag = Gauge(
            "tidegate_detect_samples_lag_records",
            "Records of the samples topic that are not processed yet, in the partitions of this worker.",
            registry=registry,
        )
        self.state_bytes = Counter("tidegate_detect_state_written_bytes", "Model state written.", registry=registry)
        self.state_age = Gauge(
            "tidegate_detect_state_unsaved_seconds", "Age of the oldest unsaved change.", registry=registry
        )
        self.recovery = Gauge("tidegate_detect_recovery_seconds", "Duration of the last recovery.", registry=registry)
        self.partitions = Gauge("tidegate_detect_partitions", "Partitions owned.", registry=registry)
        self.heartbeat = Gauge(
            "tidegate_detect_heartbeat_timestamp_seconds", "Last time the stage did work.", ("stage",),
            registry=registry,
        )  # fmt: skip

    def count_damage(self, damage: Iterable[Damage]) -> None:
        """Count what could not be read."""
        for one in damage:
            self.damaged.labels(one.reason.value).inc()


class EngineMetrics:
    """What the engine role tells of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.incidents_open = Gauge("tidegate_engine_incidents_open", "Open incidents.", registry=registry)
        self.decisions = Counter(
            "tidegate_engine_decisions", "Decisions recorded, by verdict and reason.", ("verdict", "reason"),
            registry=registry,
        )  # fmt: skip
        self.runs_inflight = Gauge("tidegate_engine_runs_inflight", "Runs not yet ended.", registry=registry)
        self.runner_ready = Gauge(
            "tidegate_engine_runner_ready",
            "Whether a play that does nothing could be run: without that no run can begin. The log says why.",
            registry=registry,
        )
        self.runs = Counter(
            "tidegate_engine_runs", "Runs ended, by playbook and status.", ("playbook", "status"), registry=registry
        )
        self.run_seconds = Histogram(
            "tidegate_engine_run_duration_seconds", "Start to end of a run, by playbook.", ("playbook",),
            buckets=RUN_BUCKETS_SECONDS, registry=registry,
        )  # fmt: skip
        self.verifications = Counter(
            "tidegate_engine_verifications", "Verified runs, by outcome.", ("outcome",), registry=registry
        )
        self.decision_seconds = Histogram(
            "tidegate_engine_decision_lag_seconds", "Signal's event time to its decision.",
            buckets=LAG_BUCKETS_SECONDS, registry=registry,
        )  # fmt: skip
        self._tell_of_log_and_rules(registry)

    def _tell_of_log_and_rules(self, registry: CollectorRegistry) -> None:
        self.audit_records = Counter(
            "tidegate_engine_audit_records", "Audit records appended, by type.", ("type",), registry=registry
        )
        self.audit_failures = Counter(
            "tidegate_engine_audit_append_failures", "Audit appends that had to be looked up.", registry=registry
        )
        self.audit_offset = Gauge(
            "tidegate_engine_audit_offset", "Offset of the last folded audit record.", registry=registry
        )
        self.fleet_events = Gauge(
            "tidegate_engine_fleet_events_raised",
            "Groups of which several hosts are in trouble together.",
            registry=registry,
        )
        self.rules_refused = Gauge(
            "tidegate_engine_rules_refused",
            "1 while policy, inventory or playbooks are wrong and the last that were right are kept.",
            registry=registry,
        )
        self.rules_disarmed = Gauge(
            "tidegate_engine_rules_not_armed", "Rules that can never act, whatever their mode says.", registry=registry
        )
        self.humans = Gauge("tidegate_engine_incidents_needing_human", "Incidents left to a human.", registry=registry)
        self.heartbeat = Gauge(
            "tidegate_engine_heartbeat_timestamp_seconds", "Last time the stage did work.", ("stage",),
            registry=registry,
        )  # fmt: skip


class OwnerMetrics:
    """What both roles tell of `tidegate up`, which started them; zeros where nobody did."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.trouble = Gauge(
            "tidegate_up_trouble",
            "1 while `tidegate up` can not give a role what it needs: embedded Kafka, free space of the state folder.",
            ("kind",),
            registry=registry,
        )
        self.state_free_bytes = Gauge(
            "tidegate_up_state_folder_free_bytes",
            "Free space on the disk of the state folder, seen by `tidegate up`; NaN without it.",
            registry=registry,
        )

    def follow(self, owner: Owner) -> None:
        """Show what the owner tells, from now on."""
        for kind in TROUBLES:
            self.trouble.labels(kind).set_function(partial(owner.is_troubled, kind))
        self.state_free_bytes.set_function(owner.free_bytes)
