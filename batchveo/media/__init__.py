"""What is done with the content of video files: measures, near copies, frames, films. Imports the core only."""
