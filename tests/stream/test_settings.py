"""Settings come from one file and the environment, and are refused with file, path and value when wrong."""

from pathlib import Path

import pytest

from stream.detect.workers import default_shards
from stream.errors import SettingsError
from stream.settings import Settings, load_settings


def written(folder: Path, text: str) -> Path:
    """A settings file with this text."""
    file = folder / "tidegate.yml"
    file.write_text(text, encoding="utf-8")
    return file


REFUSED = [
    pytest.param("kafka: {partitons: 4}", "kafka: has the unknown key partitons", id="unknown key, with a guess"),
    pytest.param("kafka: {partitions: four}", "kafka.partitions: is 'four', wanted a whole number", id="wrong type"),
    pytest.param("kafka: {partitions: 0}", "kafka.partitions: is 0, wanted a whole number >= 1", id="below the range"),
    pytest.param("detect: {threshold: .nan}", "is no finite number", id="not a number"),
    pytest.param("detect: {threshold: 0}", "detect.threshold: is 0, wanted", id="a threshold that is always reached"),
    pytest.param(
        "detect: {watch: [{series: ['disk.*']}, {profile: huge}]}",
        "detect.watch[1].profile: is 'huge', wanted one of full, lean",
        id="unknown profile",
    ),
    pytest.param(
        "detect: {watch: [{detectors: [level, crystal_ball]}]}",
        "detect.watch[0].detectors: detector 'crystal_ball' does not exist, wanted one or more of: level, ",
        id="unknown detector",
    ),
    pytest.param("detect: {watch: [{hosts: []}]}", "detect.watch[0].hosts: is [], wanted", id="no host at all"),
    pytest.param("detect: {watch: [{host: [a]}]}", "detect.watch[0]: has the unknown key host", id="unknown key"),
    pytest.param("detect: {full_scales: {disk: -1}}", "detect.full_scales.disk: is -1, wanted", id="no scale"),
    pytest.param(
        "detect: {drift: {detector: ddm}}",
        "detect.drift.detector: is 'ddm', wanted one of",
        id="unknown drift detector",
    ),
    pytest.param("detect: {drift: {block_seconds: 0}}", "detect.drift.block_seconds: is 0, wanted", id="no block"),
    pytest.param("engine: {limits: {memory_bytes_maximum: 0}}", "memory_bytes_maximum: is 0, wanted", id="no memory"),
    pytest.param("engine: {kept: {age_seconds: -1}}", "engine.kept.age_seconds: is -1, wanted", id="kept for no time"),
    pytest.param("log_format: xml", "log_format: is 'xml', wanted one of console, json", id="not among the choices"),
    pytest.param("kafka: {partitions: 4, partitions: 8}", "key partitions is there twice", id="key twice"),
    pytest.param("kafka: [", "line 1, column 9", id="no YAML"),
    pytest.param("", "is empty", id="empty file"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """The error names the file, the place in it, what stands there and what was wanted."""
    file = written(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})

    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that was named must be there."""
    with pytest.raises(SettingsError, match=r"nowhere\.yml: cannot be read: No such file"):
        load_settings(tmp_path / "nowhere.yml", {})


OVERRIDES = [
    pytest.param(
        "TIDEGATE_KAFKA__BOOTSTRAP_SERVERS", "k:9092", lambda s: s.kafka.bootstrap_servers, "k:9092", id="text"
    ),
    pytest.param("TIDEGATE_KAFKA__PARTITIONS", "16", lambda s: s.kafka.partitions, 16, id="integer"),
    pytest.param("TIDEGATE_DETECT__THRESHOLD", "4.5", lambda s: s.detect.threshold, 4.5, id="number"),
    pytest.param("TIDEGATE_DETECT__DRIFT__DETECTOR", "", lambda s: s.detect.drift.detector, "", id="switched off"),
    pytest.param("TIDEGATE_LOG_FORMAT", "console", lambda s: s.log_format, "console", id="no block"),
]


@pytest.mark.parametrize(("name", "text", "get", "expected"), OVERRIDES)
def test_the_environment_overrides_the_file(tmp_path: Path, name: str, text: str, get, expected: object) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - a lambda of the table
    """A variable wins over the file, in the setting's own type."""
    file = written(tmp_path, "kafka: {partitions: 4, bootstrap_servers: 'other:1'}\nlog_format: json\n")

    assert get(load_settings(file, {name: text})) == expected


REFUSED_VARIABLES = [
    pytest.param("TIDEGATE_KAFKA__PARTITIONS", "many", "is 'many': Expected int, got str", id="wrong type"),
    pytest.param("TIDEGATE_KAFKA__PARTITIONS", "0", "is '0': Expected int >= 1", id="below the range"),
    pytest.param("TIDEGATE_KAFKA__SERVERS", "k", "there is no setting kafka.servers", id="unknown setting"),
    pytest.param("TIDEGATE_KAFKA", "k", "there is no setting kafka", id="a block"),
    pytest.param("TIDEGATE_NOTHING__X", "k", "there is no setting nothing.x", id="unknown block"),
]


@pytest.mark.parametrize(("name", "text", "words"), REFUSED_VARIABLES)
def test_a_wrong_variable_is_refused(name: str, text: str, words: str) -> None:
    """The error names the variable and what was wrong with it."""
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {name: text})

    assert str(caught.value).startswith(f"environment variable {name}: ")
    assert words in str(caught.value)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    """Relative paths are joined to the folder of the settings file; absolute ones stay."""
    file = written(tmp_path, "engine: {policy: rules/p.yml, inventory: /etc/hosts.yml}\nstate_folder: state\n")

    settings = load_settings(file, {})

    assert settings.engine.policy == str(tmp_path / "rules" / "p.yml")
    assert settings.engine.inventory == "/etc/hosts.yml"
    assert settings.state_folder == str(tmp_path / "state")


def test_detection_is_chosen_by_hosts_and_series(tmp_path: Path) -> None:
    """The first entry that fits decides; everything an operator sets reaches the models."""
    text = """
    detect:
      threshold: 1.5
      warmup_rows: 120
      pause_maximum_seconds: 600
      series_full_maximum: 4
      full_scales: {"disk.used{path=/}": 250}
      watch:
        - {hosts: ["edge-*"], profile: lean}
        - {series: ["queue.*"], detectors: [holt_winters]}
    """
    shard = default_shards(load_settings(written(tmp_path, text), {}).detect)(0)

    assert (1.5, 120, 600.0, 4) == (
        shard.settings.threshold,
        shard.settings.warmup_rows,
        shard.settings.pause_maximum_seconds,
        shard.settings.series_full_maximum,
    )
    assert shard.settings.full_scale_of("disk.used{path=/}") == 250.0
    assert shard.settings.watch_of("edge-7", "queue.depth").profile == "lean"
    assert shard.settings.watch_of("web-1", "queue.depth").detectors == ("holt_winters",)


def test_drift_is_chosen_by_test_and_series(tmp_path: Path) -> None:
    """What an operator sets of drift reaches the models."""
    text = "detect: {drift: {detector: kswin, series: ['cpu.*'], series_maximum: 4}}"
    chosen = default_shards(load_settings(written(tmp_path, text), {}).detect)(0).settings.drift

    assert ("kswin", ("cpu.*",), 4) == (chosen.detector, chosen.series, chosen.series_maximum)


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """No file and no variables: every default, with absolute paths."""
    settings = load_settings(None, {"HOME": str(tmp_path), "PATH": "/bin"})

    assert settings.kafka == Settings().kafka
    assert Path(settings.state_folder).is_absolute()
