"""The one error that is the user's to mend."""


class UserError(Exception):
    """Bad input: its text says what was wrong, where, what is allowed and what to do.

    Commands print it on one line, without a traceback, and exit with status 2.
    """
