"""The one error of the worker container's start: its text is the sentence that the user reads."""


class WorkerError(Exception):
    """Something cannot go on: what, where, expected, found, and the command that mends it."""
