"""Who judges a row of a host: each judge says how near the row is to an alarm, and what is to blame.

contract   what a judge must offer
series     each series alone, by the memory detector
vitals     many metrics of a host together, by their vital signs
logs       rates of log lines by level and by template, each alone
named      the detectors that the settings name, a series at a time
panel      all of them, in one list
"""
