"""Log lines for tests: events of an invented shop, and what a hostile producer may send."""

import random
from collections.abc import Iterator

# Never read by a person again: what an operator would call one event each.
EVENTS = (
    "accepted connection from {ip}:{port}",
    "request {uuid} for /basket/{number} took {number} ms",
    "user {name} logged in from {ip}",
    "user {name} logged out after {number} min",
    'card of customer "{name}" was declined, code={number}',
    "cache miss for key=basket:{number} (shard {number})",
    "wrote {number} bytes to /var/lib/shop/{name}.dat in {number}.{number}s",
    "retry {number} of {number} failed: connection refused",
    "retry {number} of {number} failed: no route to host",
    "worker state changed from IDLE to BUSY",
    "worker state changed from BUSY to IDLE",
    "garbage collection: freed {number} MB, heap {number}% of {number} MB",
    "certificate of {name}.example.com expires at 2031-0{digit}-1{digit}T0{digit}:00:00Z",
    "shutting down",
)


def seeded(seed: int) -> random.Random:
    """Reproducible values."""
    return random.Random(seed)  # noqa: S311 - values for tests, not secrets


def shop(seed: int, count: int) -> Iterator[tuple[int, str]]:
    """(number of the event, line) pairs."""
    rng = seeded(seed)
    for _ in range(count):
        event = rng.randrange(len(EVENTS))
        yield (
            event,
            EVENTS[event].format(
                ip=".".join(str(rng.randrange(256)) for _ in range(4)),
                port=rng.randrange(1024, 65536),
                uuid=f"{rng.getrandbits(32):08x}-{rng.getrandbits(16):04x}-4abc-8def-{rng.getrandbits(48):012x}",
                number=rng.randrange(10**6),
                digit=rng.randrange(1, 10),
                name=rng.choice(("ann", "bob", "eve", "mallory", "trent")),
            ),
        )


# Repeated to any length, each is the worst case of some pattern.
HOSTILE = (
    *(
        "a",
        "A",
        "0",
        "1.",
        "a.",
        "a-",
        "a:",
        "0:",
        "::",
        "=",
        "a=",
        '="',
        "=[",
        "{",
        "{a",
        "{}",
        "}{",
        "[,",
        "[a,",
        ",",
    ),
    *("a,", '"', "`", "' '", '" a', "/", "a/", "\\a", "@", "a@", "0x", "-", "a-a-", "Jan ", "Mon, ", "Jan 1 ", "1-1-"),
    *("http://", '"GET ', " ", "\t", "\x1b[", "\x1b[0;", "|", "a|", ". ", "..", "(a", "1.1.1.1", "[a]", "- ", "1 "),
    *("INFO ", "A_", "00:00:", "12 M", "1,", "\x00", "\ue000", "\ud800", "é", "\u202e"),
)
