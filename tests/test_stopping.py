"""Which signals are noted, and which stay what they were."""

import os
import signal

import pytest

from gan_jax.stopping import SIGNALS, StopSignals


@pytest.fixture(autouse=True)
def handlers():
    before = {which: signal.getsignal(which) for which in SIGNALS}
    yield
    for which, handler in before.items():
        signal.signal(which, handler)


@pytest.mark.parametrize("which", SIGNALS)
def test_a_signal_is_noted_and_its_handler_comes_back(which):
    signal.signal(which, before := signal.default_int_handler)  # under nohup it is SIG_IGN
    with StopSignals() as signals:
        os.kill(os.getpid(), which)
        assert signals.received == which.name
    assert signal.getsignal(which) == before


def test_sighup_that_was_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
