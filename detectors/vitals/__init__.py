"""The vital signs of one host: many metrics judged together.

A row (one value a metric, some may be missing) passes these parts, in this order, each a module that can be read alone:

    views         each metric against its slow mean, its fast mean, its previous value; the pace of the rows
    tails         from a deviation to a normal score, which means the same for every metric
    relations     the Mahalanobis length of the normal scores: do the metrics still belong together as they used to?
    novelty       has a metric jumped like this lately?
    combination   relations, whole-host movement and new jumps become one score, the same for every pace of rows
    alarm         when a score raises an alarm, and when it clears

`kernel` is the compiled sequence, `block` its state for up to 64 metrics, `host` a host of any number of named metrics.
"""
