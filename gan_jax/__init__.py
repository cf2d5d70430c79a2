"""Functional JAX for training and studying GANs."""

import time

__version__ = "0.1.0"

STARTED = time.perf_counter()  # how long a start takes counts from here
