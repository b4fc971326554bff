"""Where videos are written and read: folders, buckets, sidecars, MP4 files."""
