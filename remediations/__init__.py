"""Signal → incident → decision → run.

Pure functions over frozen records, except `runner`, the one module that knows ansible-runner. Time is an argument.
"""
