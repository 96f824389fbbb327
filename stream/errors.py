"""Errors of the stream package.

StreamError
├── SettingsError        a settings file or an environment override is wrong
├── BrokerError          the embedded Kafka could not be fetched, checked or started
├── SpaceError           too little is free on the disk of the state folder
├── UnreachableError     no Kafka broker answers at the bootstrap servers
├── TopicError           a topic exists with settings that would break a promise
├── AuditError           the audit log can not be written or read as it must be
│   └── AppendLostError  one record was sent and is not in the log
├── StateError           recovered model state can not be used
└── Refused              a record can not be read (in stream.wire): not a fault, it goes to the dead letter
"""


class StreamError(Exception):
    """Base of all errors of this package; its text is fit to show to an operator."""


class SettingsError(StreamError):
    """A settings file or an environment override is wrong: the text names file, path, value and what was wanted."""


class BrokerError(StreamError):
    """The embedded Kafka could not be fetched, checked or started."""


class SpaceError(StreamError):
    """Too little is free on the disk of the state folder: the text names it, what is free, and what was wanted."""


class UnreachableError(StreamError):
    """No Kafka broker answers at the bootstrap servers: the text names them, and how long was waited."""


class TopicError(StreamError):
    """A topic exists whose settings would break a promise: the text names topic, setting, value and limit."""


class AuditError(StreamError):
    """The audit log can not be written or read as it must be; nothing may be run."""


class AppendLostError(AuditError):
    """One record was sent and is not in the log: what rests on it must not happen; the log itself goes on."""


class StateError(StreamError):
    """Recovered model state can not be used: wrong version, or damaged."""
