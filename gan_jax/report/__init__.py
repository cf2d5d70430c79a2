"""What a run shows: numbers, pictures and its progress."""
