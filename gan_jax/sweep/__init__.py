"""Sweeps: what may vary, populations that train as one program, studies over many machines."""
