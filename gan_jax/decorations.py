"""Guards what only decorates a run: what fails there is warned of, once, and ends nothing."""

import contextlib
import logging
from collections.abc import Iterator

from gan_jax import workdir
from gan_jax.errors import Unwritable, first_line

_LOGGER = logging.getLogger(__name__)


class Decorations:
    """The pictures, events, lines and the like of one run.

    Args:
      place: the run's directory. Where that cannot be written either, a failure to write is raised:
        the record itself would be the next to fail.
    """

    def __init__(self, place: workdir.Place):
        self._place = place
        self._told: set[str] = set()

    @contextlib.contextmanager
    def guard(self, what: str) -> Iterator[None]:
        """Within it, whatever goes wrong ends neither the run nor changes its exit code.

        Args:
          what: fails; each is warned of once.

        Raises:
          Unwritable: if the run's directory cannot be written any more.
        """
        try:
            yield
        except Exception as error:  # matplotlib, Pillow and TensorBoard have many
            if isinstance(error, OSError | Unwritable):
                self._place.check()
                if not self._place.is_writable():
                    raise
            if what not in self._told:
                self._told.add(what)
                why = f"{type(error).__name__}: {first_line(error)}"
                _LOGGER.warning("%s failed (%s); the run goes on without", what, why)
