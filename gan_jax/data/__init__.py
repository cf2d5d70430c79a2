"""Real data: sources, the order in which they are seen, and how they reach the devices."""
