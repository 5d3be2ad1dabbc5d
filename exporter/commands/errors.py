"""The failure of a command."""


class CommandError(Exception):
    """A command failed, for a reason that its arguments and settings do not show."""
