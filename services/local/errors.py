"""The one error of the local stack; its message says what is wrong and what to do."""


class StackError(Exception):
    """The stack cannot be started, reached or stopped."""
