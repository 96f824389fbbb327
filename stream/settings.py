"""Settings: one YAML file, overridden by environment variables, refused with file, path and value when wrong.

Every field's docstring below is its documentation; docs/settings.md is generated from them.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from detectors.drift.settings import DriftSettings
from detectors.errors import SettingsError as DetectorSettingsError
from detectors.settings import Watch
from remediations.documents import decode, read_yaml, shortened
from remediations.errors import DocumentError
from remediations.runner import Kept, RunLimits
from stream import forms
from stream.errors import SettingsError

type Positive = Annotated[int, msgspec.Meta(gt=0)]
type PositiveNumber = Annotated[float, msgspec.Meta(gt=0)]
type PositiveSeconds = Annotated[float, msgspec.Meta(gt=0)]
type Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]

ENVIRONMENT_PREFIX = "TIDEGATE_"
# Variables with our prefix that are no settings: the CLI's, the supervisor's, and those of the test suite.
OTHER_VARIABLES = ("TIDEGATE_CONFIG", "TIDEGATE_SUPERVISED", "TIDEGATE_TEST_")
DEFAULT_FILE = Path("tidegate.yml")
ENGINE_PATHS = ("policy", "playbooks", "inventory")
OPTIONAL_PATHS = ("accepted", "collections", "vault_password_file", "private_key_file")


class KafkaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where Kafka is."""

    bootstrap_servers: str = ""
    """Comma-separated `host:port` list. Empty: `tidegate up` starts the embedded Apache Kafka."""
    replication_factor: Positive = 1
    """Replicas of the topics that Tidegate creates."""
    partitions: Positive = 8
    """Partitions of the samples, state, models and dead-letter topics that Tidegate creates."""


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
    models: str = "tidegate.models.v1"
    """Saved states of models, one a day and host at most, to go back to."""
    signals: str = "tidegate.signals.v1"
    """Signals and the roster, one partition."""
    commands: str = "tidegate.commands.v1"
    """Requests of operators and the answers, one partition."""
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
    threshold: PositiveNumber = 1.0
    """A host is anomalous from this score on, in units of the shipped alarm: 2 is half as touchy, roughly."""
    watch: tuple[Watch, ...] = ()
    """How series are watched, a list; the first entry that fits a host and a series holds. Without one: rates of log
    lines `lean`, all else `full`."""
    full_scales: dict[str, PositiveNumber] = {}
    """The most that series can be, by name (with `*`), such as `disk.used{path=/}: 100`. Names that say percent need
    none."""
    warmup_rows: Positive = 60
    """A host is young, and raises nothing, for so many rounds of readings."""
    pause_maximum_seconds: PositiveSeconds = 3600.0
    """Learning pauses while a host is anomalous or being repaired, but no longer than this: then it is the new normal.
    """
    drift: DriftSettings = DriftSettings()
    state_bytes_per_second: Positive = 8_000_000
    """Budget for writing model state, per worker."""
    hosts_maximum: Positive = 10_000
    """Hosts that one partition keeps a model of; further new hosts are refused and counted. Hosts of which nothing can
    be read take half of the places at most.
    """
    series_maximum: Positive = 500
    """Series of one host; further new series are dropped and counted."""
    series_full_maximum: Positive = 16
    """Series of one host that may have profile `full`; further ones get `lean`."""
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
    """Ansible inventory, a file or a folder, relative to the settings file."""
    accepted: str = ""
    """File of the digests under which playbooks may run, relative to the settings file; `tidegate playbooks accept`
    writes it. Empty: the engine keeps one in its state folder and accepts playbooks that it has never seen before."""
    collections: str = ""
    """Folder of Ansible collections, relative to the settings file. Empty: `collections` in the folder of playbooks."""
    environment: dict[str, str] = {}
    """Environment variables that runs see, such as `SSH_AUTH_SOCK`; nothing else is inherited."""
    vault_password_file: str = ""
    """File with the password of Ansible's vault, which others may not read, relative to the settings file."""
    private_key_file: str = ""
    """Private key for ssh, which others may not read, relative to the settings file."""
    limits: RunLimits = RunLimits()
    kept: Kept = Kept()
    run_concurrency_maximum: Positive = 2
    """Playbook runs at a time in this engine; further ones wait."""
    stop_grace_seconds: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """How long a stop waits for runs under way before it ends them, which leaves their outcome unknown. Without it: as
    long as the longest of them may take. A second signal ends them at once."""
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
    state_free_bytes_minimum: Positive = 50_000_000
    """With less free space on the disk of the state folder `tidegate up` starts no Kafka, warns and is not ready."""
    log_format: Literal["json", "console"] = "json"
    """Form of Tidegate's own log lines."""


def load_settings(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings file, then the environment's overrides, then make every path absolute.

    Without a `path` the file is `tidegate.yml` in the current folder, or none at all: then every default holds.
    Raises SettingsError naming the file or variable, the setting, its value and what was wanted.
    """
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    settings = Settings() if path is None else _read(path)
    _check_watch(settings.detect.watch, path)
    given = {
        name: text
        for name, text in sorted(environment.items())
        if name.startswith(ENVIRONMENT_PREFIX) and not name.startswith(OTHER_VARIABLES)
    }
    for name, text in given.items():
        settings = _override(settings, name, text)
    _refuse(_faults(settings), path, given)
    settings = _with_absolute_paths(settings, Path.cwd() if path is None else path.absolute().parent)
    _refuse([("state_folder", settings.state_folder, forms.folder(settings.state_folder))], path, given)
    return settings


def _read(path: Path) -> Settings:
    try:
        return decode(read_yaml(path, DocumentError), Settings, path, DocumentError)
    except DocumentError as error:
        raise SettingsError(str(error)) from error


def _check_watch(watch: Sequence[Watch], path: Path | None) -> None:
    """Names of detectors must be known; who names none need not load them."""
    for place, one in enumerate(watch):
        if one.detectors:
            from detectors.table import check  # noqa: PLC0415 River takes seconds to import

            try:
                check(one.detectors)
            except DetectorSettingsError as error:
                raise SettingsError(f"{path}: detect.watch[{place}].detectors: {error}") from error


def _override(settings: Settings, name: str, text: str) -> Settings:
    """The settings with one of them replaced by the environment variable `name`."""
    steps = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    document = msgspec.to_builtins(settings)
    block: object = document
    for step in steps[:-1]:
        block = block.get(step) if isinstance(block, dict) else None
    if not isinstance(block, dict) or isinstance(block.get(steps[-1], {}), dict):
        raise SettingsError(f"environment variable {name}: there is no setting {'.'.join(steps)} (docs/settings.md)")
    block[steps[-1]] = text
    try:
        return msgspec.convert(document, Settings, strict=False)
    except msgspec.ValidationError as error:
        wanted = str(error).partition(" - at ")[0].replace("`", "")
        raise SettingsError(f"environment variable {name}: is {text!r}: {wanted}") from error


type _Fault = tuple[str, object, str]
"""A setting, its value, and what is wrong with it: empty if nothing is."""


def _refuse(faults: Iterable[_Fault], path: Path | None, given: Mapping[str, str]) -> None:
    """Raise SettingsError for the first fault; it names the variable, or else the file, that the value is from."""
    for setting, value, problem in faults:
        if problem:
            variable = ENVIRONMENT_PREFIX + setting.upper().replace(".", "__")
            place = f"environment variable {variable}" if variable in given else f"{path or 'settings'}: {setting}"
            raise SettingsError(f"{place}: is {shortened(value)}: {problem}")


def _faults(settings: Settings) -> Iterator[_Fault]:
    """What can not work, setting by setting, as far as the settings alone tell."""
    topics: dict[str, str] = msgspec.to_builtins(settings.topics)
    yield from ((f"topics.{name}", topic, forms.topic(topic)) for name, topic in topics.items())
    yield from ((f"topics.{name}", topics[name], problem) for name, problem in forms.distinct(topics))
    servers, address, engine = settings.kafka.bootstrap_servers, settings.health_address, settings.engine
    yield "kafka.bootstrap_servers", servers, forms.servers(servers) if servers else ""
    yield "health_address", address, forms.host(address)
    yield "detect.group", settings.detect.group, forms.group(settings.detect.group)
    yield from _ports(settings)
    given = (name for name in OPTIONAL_PATHS if getattr(engine, name))
    paths = {f"engine.{name}": getattr(engine, name) for name in (*ENGINE_PATHS, *given)}
    paths["state_folder"] = settings.state_folder
    yield from ((name, text, forms.path(text)) for name, text in paths.items())
    variables = engine.environment.items()
    yield from ((f"engine.environment.{name}", value, forms.variable(name, value)) for name, value in variables)
    yield from _numbers(msgspec.to_builtins(settings))


def _ports(settings: Settings) -> Iterator[_Fault]:
    """Each worker and the engine serve their health on a port of their own; 0 is whichever is free."""
    first, engine = settings.detect.health_port, settings.engine.health_port
    last = first + settings.detect.workers - 1 if first else 0
    too_high = last > forms.PORT_MAXIMUM
    yield "detect.health_port", first, f"wanted ports up to {last} for its workers: there are none" if too_high else ""
    taken = f"wanted another port: detect's workers have {first} to {last}" if 0 < first <= engine <= last else ""
    yield "engine.health_port", engine, taken


def _numbers(block: Mapping[str, object], path: str = "") -> Iterator[_Fault]:
    """No limit is infinite: YAML refuses such numbers, an environment variable could give one."""
    for name, value in block.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{path}{name}.")
        elif isinstance(value, float):
            yield f"{path}{name}", value, "" if math.isfinite(value) else "wanted a finite number"


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    """The settings with relative paths joined to `folder`, and `~` written out."""
    given = (name for name in OPTIONAL_PATHS if getattr(settings.engine, name))
    names = (*ENGINE_PATHS, *given)
    paths = {name: str(folder / Path(getattr(settings.engine, name)).expanduser()) for name in names}
    return msgspec.structs.replace(
        settings,
        engine=msgspec.structs.replace(settings.engine, **paths),
        state_folder=str(folder / Path(settings.state_folder).expanduser()),
    )
