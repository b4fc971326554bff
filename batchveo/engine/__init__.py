"""The run: one coordinator writes the database, workers submit, poll and download."""
