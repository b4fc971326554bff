"""Measuring finished clips: the pass over a file, the process it runs in, near copies. Imports the core only."""
