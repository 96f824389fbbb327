"""Sample → score → signal, for one host at a time.

Plain Python and River: no Kafka, no clock, no global state. Time, seeds and states are arguments.
Everything here is online (one sample at a time), causal (score first, then learn), bounded in memory and
deterministic. The way of a sample, one module a step:

    shard        find the host's row, leave out what was applied before
    host         close log windows, gather readings into rows, score, learn, tell
    rates        log lines become series: their rate by level ...
    templates    ... and by template, once a line says which event it is
    meter        counters become growth a second
    table        the detectors of a series (level, recent, ...): how strange is the value?
    guard        what a detector may learn of it
    calibration  how rare is so strange a value on this series?
    combination  the host's score out of its series'
    alarm        raise at k of n rows, clear at m of n
"""
