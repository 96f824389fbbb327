"""Sample → score → signal, for one host at a time.

Plain Python and River: no Kafka, no clock, no global state. Time, seeds and states are arguments.
Everything here is online (one sample at a time), causal (score first, then learn), bounded in memory and
deterministic.
"""
