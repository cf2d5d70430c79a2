"""How good and how varied what a generator makes is: distances between sets of features."""
