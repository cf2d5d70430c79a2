"""The names of classes: as directories on disk, and read back from a folder or a flag."""

import re
from collections.abc import Sequence

from gan_jax.config import nearest
from gan_jax.errors import UsageError

# What no file system takes, what some refuse, and "%" itself; a leading dot hides a directory, and
# Windows drops a dot or a space at the end.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f%/\\:*?"<>|]|^[. ]|[. ]$')
_MOST_LISTED = 10


def directory_name(name: str) -> str:
    """Return the name of the directory for the images of a class.

    Characters that a file system may refuse are percent-encoded, as in URLs, so that different
    classes have different directories.

    Args:
      name: The name of the class.
    """
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name) or "%"


def label_of(text: str, classes: Sequence[str], where: str) -> int:
    """Return the label of the class that a text names.

    A text is the name of a class, that name as `directory_name` writes it, or the label itself.
    Labels are accepted only where no class is named by a number: class "3" need not have label 3.

    Args:
      text: What names a class.
      classes: The names of all classes, in the order of their labels.
      where: The flag or setting that holds the text, to begin an error with.

    Raises:
      UsageError: If there is no such class.
    """
    labels = {name: label for label, name in reversed(list(enumerate(classes)))}
    labels |= {directory_name(name): label for name, label in labels.items()}
    if text in labels:
        return labels[text]
    numbered = any(name.isdecimal() for name in classes)
    if not numbered and text.isdecimal() and int(text) < len(classes):
        return int(text)
    listed = " | ".join(classes[:_MOST_LISTED])
    more = f" | ... ({len(classes)} classes)" * (len(classes) > _MOST_LISTED)
    by_number = f", or labels from 0 to {len(classes) - 1}" * (not numbered)
    raise UsageError(
        f"{where}: no class is called {text!r}{nearest(text, classes)}; takes "
        f"{listed}{more}{by_number}"
    )
