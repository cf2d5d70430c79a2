"""What a run shows: numbers, pictures, its progress and its page."""
