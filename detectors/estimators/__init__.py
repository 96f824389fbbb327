"""Detectors of River behind our contract, chosen by name in the settings.

River's objects are kept as they are; what surrounds them makes their scores comparable and their state plain numbers,
taken out and put back field by field. None needs pickle: nothing that is read from a topic is ever executed.
"""
