"""The names of classes: as directories on disk, and read back from a folder or a flag."""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Sequence

from gan_jax.errors import UsageError

# What no file system takes, what some refuse, and "%" itself; a leading dot hides a directory,
# Windows drops a dot or a space at the end and keeps some names for devices, and folders of images
# leave out what macOS calls __MACOSX.
_UNSAFE = re.compile(
    r'[\x00-\x1f\x7f\ud800-\udfff%/\\:*?"<>|]|^[. ]|[. ]$'
    r"|^(?=(?i:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|__MACOSX$)."
)
_LONGEST = 200  # bytes of a directory's name; file systems take 255
_MOST_LISTED = 10


def directory_name(name: str) -> str:
    """Return the name of the directory for the images of a class.

    Characters that a file system may refuse are percent-encoded, as in URLs, so that different
    classes have different directories. A name that is too long ends in a hash of it.

    Args:
      name: The name of the class.
    """
    safe = _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name) or "%"
    if len(safe.encode()) <= _LONGEST:
        return safe
    digest = hashlib.sha256(safe.encode()).hexdigest()[:16]
    return safe.encode()[: _LONGEST - 17].decode(errors="ignore") + f"%{digest}"


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
    # The same letters may be spelled by other code points, as file systems of macOS do.
    spelled = {unicodedata.normalize("NFC", name): label for name, label in labels.items()}
    if (same := unicodedata.normalize("NFC", text)) in spelled:
        return spelled[same]
    numbered = any(name.isdecimal() for name in classes)
    if not numbered and text.isdecimal() and int(text) < len(classes):
        return int(text)
    listed = " | ".join(classes[:_MOST_LISTED])
    more = f" | ... ({len(classes)} classes)" * (len(classes) > _MOST_LISTED)
    by_number = f", or labels from 0 to {len(classes) - 1}" * (not numbered)
    raise UsageError(
        f"{where}: no class is called {text!r}{_nearest(text, classes)}; takes "
        f"{listed}{more}{by_number}"
    )


def _nearest(text: str, classes: Sequence[str]) -> str:
    """Return '; did you mean X?' for the class that is spelled most like a text, or ''."""
    spelled = {name.casefold(): name for name in reversed(classes)}
    close = difflib.get_close_matches(text.casefold(), spelled, n=1, cutoff=0.5)
    return f"; did you mean {spelled[close[0]]}?" if close else ""
