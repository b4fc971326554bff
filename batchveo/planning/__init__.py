"""What a run would do and cost, and the question whether to begin it."""
