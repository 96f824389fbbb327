"""What the detectors cost, beside the same made of River objects and of plain Python.

    contestants   everything that is measured, behind one interface
    costs         CPU microseconds a sample at several numbers of series, bytes a series

`python -m benchmarks.detectors [--rounds N] [--json FILE]` measures all in turns and prints one table with ratios.
"""
