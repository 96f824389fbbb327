"""What operators may do to the model of a host: each command leads to the host as it is then, and to an answer."""

from typing import Final

import msgspec

from detectors.alarm import Turn
from detectors.commands import (
    Answer,
    Command,
    MaintenanceEnd,
    MaintenanceStart,
    ModelReset,
    ModelRollback,
    Refusal,
    kind_of,
    told,
)
from detectors.errors import RowError
from detectors.host import HostModel
from detectors.saves import DAY_SECONDS, Upkeep
from detectors.signals import Signal

MAINTENANCE_MAXIMUM_SECONDS: Final = 30 * DAY_SECONDS


class Obeyed(msgspec.Struct, frozen=True):
    """What a command led to: the host as it is now, the answer, and the end of an alarm that is withdrawn."""

    host: HostModel
    answer: Answer
    signals: tuple[Signal, ...] = ()


def refused(command: Command, refusal: Refusal, words: str) -> Answer:
    """The answer to a command that is not carried out."""
    return Answer(command, done=False, words=f"{kind_of(command)} of {command.host}: {words}", refusal=refusal)


def unknown_host(command: Command) -> Answer:
    """The answer where there is no model."""
    return refused(command, Refusal.UNKNOWN_HOST, "no host of this name has sent a sample, so there is no model of it")


def expired(command: Command, age_maximum_seconds: float) -> Answer:
    """The answer to a command that comes too late."""
    words = f"given at {told(command.time)}, more than {age_maximum_seconds:g} s before it could be carried out"
    return refused(command, Refusal.EXPIRED, words)


def obey(host: HostModel, command: Command, offset: int, saved: bytes | None) -> Obeyed:
    """Carry out a command that stands at `offset` of the samples topic.

    `saved` is the row of the state that a rollback finds, None if it could not be read.
    """
    match command:
        case ModelReset():
            return _reset(host, command, offset)
        case ModelRollback():
            return _roll_back(host, command, offset, saved)
        case MaintenanceStart():
            return Obeyed(host, _start_maintenance(host.upkeep, command))
        case MaintenanceEnd():
            return Obeyed(host, _end_maintenance(host.upkeep, command))


def _reset(host: HostModel, command: ModelReset, offset: int) -> Obeyed:
    signals = _withdraw(host, offset)
    young = _placed(HostModel(host.host, host.partition, host.settings, host.seed), host)
    words = f"{host.host} is young again: what {host.samples} samples had taught is forgotten"
    return Obeyed(young, Answer(command, done=True, words=words + _withdrawn(signals)), signals)


def _roll_back(host: HostModel, command: ModelRollback, offset: int, saved: bytes | None) -> Obeyed:
    state = host.upkeep.find(command.to_time)
    if state is None:
        return Obeyed(host, refused(command, Refusal.NO_SAVED_STATE, _no_state(host.upkeep, command.to_time)))
    name = f"the saved state of {told(state.time)}"
    if saved is None:
        return Obeyed(host, refused(command, Refusal.SAVED_STATE_GONE, f"{name} is no longer in the models topic"))
    try:
        past = HostModel.decode(saved, host.partition, host.settings, host.seed)
    except RowError as error:
        return Obeyed(host, refused(command, Refusal.SAVED_STATE_UNUSABLE, f"{name} can not be used: {error}"))
    signals = _withdraw(host, offset)
    words = f"{host.host} is back at {name}, {past.samples} samples of {host.samples}"
    answer = Answer(command, done=True, words=words + _withdrawn(signals))
    return Obeyed(_caught_up(past, host), answer, signals)


def _placed(model: HostModel, host: HostModel) -> HostModel:
    """Another model of the host, which goes on where the host is: what was read, told and kept is the host's."""
    model.applied, model.sources, model.time = host.applied, host.sources, host.time
    model.life, model.upkeep, model.rates = host.life, host.upkeep, host.rates
    model.drift.moved = host.drift.moved  # what was raised of a series is cleared when that is known again
    return model


def _caught_up(past: HostModel, host: HostModel) -> HostModel:
    """A model of the past that goes on where the host is, as if no time had passed between its last row and the next.

    The pace and the last readings of series are those of the host: a rate or an interval over days would be none.
    """
    past.gathering = host.gathering
    past.gathering.drop()
    for name, series in past.series.items():
        now = host.series.get(name, series)
        if now.meter.counting != series.meter.counting:
            past.panel.forget(name)
        past.series[name] = now
    for name, track in past.templates.tracks.items():
        track.open = host.templates.tracks[name].open if name in host.templates.tracks else 0
    return _placed(past, host)


def _start_maintenance(upkeep: Upkeep, command: MaintenanceStart) -> Answer:
    seconds = command.until - command.time
    if seconds <= 0.0:
        words = f"it would end at {told(command.until)}, wanted an end after {told(command.time)}"
        return refused(command, Refusal.ENDS_IN_THE_PAST, words)
    if seconds > MAINTENANCE_MAXIMUM_SECONDS:
        words = f"it would last {seconds:g} s, wanted at most {MAINTENANCE_MAXIMUM_SECONDS:g} s"
        return refused(command, Refusal.TOO_LONG, words)
    upkeep.maintenance_until = command.until
    return Answer(command, done=True, words=f"{command.host} is in maintenance until {told(command.until)}")


def _end_maintenance(upkeep: Upkeep, command: MaintenanceEnd) -> Answer:
    if upkeep.maintenance_until <= command.time:
        return refused(command, Refusal.NOT_IN_MAINTENANCE, f"it is not in maintenance at {told(command.time)}")
    upkeep.maintenance_until = command.time
    return Answer(command, done=True, words=f"{command.host} is no longer in maintenance")


def _withdraw(host: HostModel, offset: int) -> tuple[Signal, ...]:
    """The end of an alarm that rests on what is forgotten now."""
    return (host.turned(Turn.CLEARED, offset, host.time),) if host.alarm.raised_id else ()


def _withdrawn(signals: tuple[Signal, ...]) -> str:
    return "".join(f"; alarm {one.raised_id} is withdrawn" for one in signals)


def _no_state(upkeep: Upkeep, to_time: float | None) -> str:
    if to_time is None or not upkeep.saves:
        return "no state is saved yet: one is saved each day, while the host is normal"
    there_are = ", ".join(told(one.time) for one in upkeep.saves)
    return f"no state is saved of {told(to_time)} or before, there are {there_are}"
