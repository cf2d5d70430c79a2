"""What is done with a trained run: sample, interpolate, neighbors, invert, complete, export."""
