"""Errors of the stream package.

StreamError
├── SettingsError        a settings file or an environment override is wrong
├── BrokerError          the embedded Kafka could not be fetched, checked or started
├── SpaceError           too little is free on the disk of the state folder
├── UnreachableError     no Kafka broker answers at the bootstrap servers
├── TopicError           a topic exists with settings that would break a promise, or is not there
├── AuditError           the audit log can not be written or read as it must be
│   ├── AppendLostError  one record was sent and is not in the log
│   ├── UnreadError      Kafka does not give the log out: nothing is known of what is in it
│   └── HeadError        the file that remembers how far the log was seen is damaged
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
    """A topic would break a promise, or is not there: the text names topic, setting, value and limit."""


class AuditError(StreamError):
    """The audit log can not be written or read as it must be; nothing may be run."""


class AppendLostError(AuditError):
    """One record was sent and is not in the log: what rests on it must not happen; the log itself goes on."""


class UnreadError(AuditError):
    """Kafka does not give the log out now: that says nothing of what is in it."""


class HeadError(AuditError):
    """The file that remembers how far the log was seen is damaged: the text names it."""


class StateError(StreamError):
    """Recovered model state can not be used: wrong version, or damaged."""
