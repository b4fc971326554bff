"""Hooks: what a user has done with each finished video, beside the run and never in its way."""
