"""Readers of the file formats, with what judges their content."""
