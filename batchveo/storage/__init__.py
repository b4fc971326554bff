"""Writing and reading videos: folders, buckets, sidecars, MP4 files."""
