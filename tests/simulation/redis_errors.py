"""Error replies of the model."""


class ReplyError(Exception):
    """An error reply; its text begins with the error's code."""
