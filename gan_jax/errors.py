"""The ways in which a run ends other than well, each with its exit code."""


def first_line(error: BaseException) -> str:
    """Return what an exception says, cut to one line and, where it is long, to 300 characters."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= 300 else f"{line[:300]}..."


def printable(text: str) -> str:
    """One line that every terminal takes: what is in a file's name may be none."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class GanJaxError(Exception):
    """A run that cannot go on, said in one line; `exit_code` is what the process ends with."""

    exit_code = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(GanJaxError):
    """Wrong flags, config, data or directory; it names the field, what it got and what it takes."""

    exit_code = 2


class InUse(UsageError):
    """Another process trains in the run's directory."""


class Removed(UsageError):
    """A checkpoint was there, but the run that trains on has removed it for newer ones."""


class Diverged(GanJaxError):
    """A loss, a gradient or the state is no longer finite; what was saved before it is kept."""

    exit_code = 3


class Differs(GanJaxError):
    """A run that was made again is not what its directory records."""

    exit_code = 4


class Pruned(GanJaxError):
    """A sweep has ended the run before its last step; what was saved is kept."""


class Unwritable(GanJaxError):
    """A directory that was written cannot be written any more; what was saved there is kept."""

    exit_code = 74


class Gone(Unwritable):
    """The run's directory is no longer at its place: removed, moved or unmounted."""


class Stopped(GanJaxError):
    """A signal arrived, the state was saved, and the same command continues the run."""

    exit_code = 75
