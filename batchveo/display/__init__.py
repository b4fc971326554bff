"""What a terminal, a log or a phone shows of a run."""
