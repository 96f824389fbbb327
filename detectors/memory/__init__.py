"""The memory detector of a single series: "how far is this number from the nearest one I remember?".

One sample passes these parts, in this order, each a module that can be read alone:

    views         the sample as it is, as a change, smoothed, against its slow means, against its week
    remembered    per view: distance to the nearest remembered number; what surprises is remembered
    tail          per view: from a distance to -log10 of its tail probability, which means the same on every series
    combination   one score from all views
    alarm         threshold, refractory level, own history: when a score raises an alarm, and when it clears

`kernel` is the compiled sequence of the five, `profiles` says which views and how much memory (`FULL`, `LEAN`),
`series` holds the state: `SeriesDetector` for one series, `SeriesTable` for many rows.
"""
