"""Functional JAX for training and studying GANs."""

import time

__version__ = "0.1.0"

STARTED = time.perf_counter()  # the command line's start counts from here
