"""Log templates: which event is a line an instance of?

A line passes these parts, in this order, each a module that can be read alone:

    headers      time, host, program and level that a log file puts before the message are cut off
    masks        what is certainly a value (addresses, times, paths, numbers with units, ...) becomes a mark
    forms        the line as words, with `<*>` for every value
    similarity   are two forms the same event? Strict on words, free on values
    engine       Drain with that similarity and an index over four words of the form
    miner        `TemplateMiner`: bounded, deterministic, state as bytes
    watch        `LogTemplates`: rates by template of one host, and which templates it never saw before

One configuration for all systems; nothing is learned about a line that later changes its id.
"""
