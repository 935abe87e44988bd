"""What goes wrong with a sandbox itself: never a statement about a program."""


class SandboxError(Exception):
    """The sandbox failed: a dead fork-server, a full machine, a failed fork. The check can be tried again."""


class SandboxUnavailable(SandboxError):
    """No tier of the sandbox works here; programs are not run."""
