"""A storage's URL as it may be shown: no password is ever printed, written or logged."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from gan_jax.errors import first_line

# Parameters of a URL that are shown with their values; of all others the names alone are.
_HARMLESS = (
    "application_name", "charset", "client_encoding", "connect_timeout", "dbname", "host", "port",
    "sslmode", "target_session_attrs", "unix_socket", "user",
)  # fmt: skip
_HIDDEN = "***"


def shown(url: str) -> str:
    """Return a storage's URL without what is secret in it.

    Of one that does not say clearly where its password ends, say since that holds an "@" which is
    not written as %40, the driver's name is all that is returned, or nothing of it.
    """
    parts = _parse(url)
    if parts is None:
        return _HIDDEN
    if _is_unclear(url):
        return f"{parts.drivername}://{_HIDDEN}"
    hidden = {
        name: value if name.lower() in _HARMLESS else _HIDDEN for name, value in parts.query.items()
    }
    return parts.set(query=hidden).render_as_string(hide_password=True).replace("%2A", "*")


def reason(url: str, error: BaseException) -> str:
    """Return what an exception says of opening a storage, and its type, in one line.

    Its type alone is returned where the text repeats what is secret, which some drivers' do.
    """
    kind, text = type(error).__name__, first_line(error)
    if _is_unclear(url) or any(secret in text for secret in _secrets(url)):
        return kind
    return f"{kind}: {text}"


def without_storage(words: Iterable[str]) -> Iterator[str]:
    """Yield the words of a command line, the URL of --storage as it may be shown."""
    is_url = False
    for word in words:
        match = re.match("(--?storage=)(.*)", word, re.DOTALL)
        yield match[1] + shown(match[2]) if match else shown(word) if is_url else word
        is_url = word in ("--storage", "-storage")


def is_sqlite(url: str) -> bool:
    """Tell whether a URL is SQLite's."""
    parts = _parse(url)
    return parts is not None and parts.get_backend_name() == "sqlite"


def _parse(url: str):
    from sqlalchemy.engine import make_url  # it takes a while to import

    try:
        return make_url(url)
    except Exception:  # of a text that is no URL: whatever the parser meets in it
        return None


def _is_unclear(url: str) -> bool:
    parts = _parse(url)
    return parts is None or url.count("@") > 1 or "@" in f"{parts.host} {parts.database}"


def _secrets(url: str) -> list[str]:
    parts = _parse(url)
    hidden = [parts.password, *(v for k, v in parts.query.items() if k.lower() not in _HARMLESS)]
    plain = [str(secret) for secret in hidden if secret]
    return [form for secret in plain for form in (secret, quote(secret, ""), quote_plus(secret))]
