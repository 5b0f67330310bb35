"""What the user is told when no Worker can be made."""


class RefusedError(Exception):
    """No Worker was made, and nothing was changed; the text is one sentence with the reason and what mends it."""
