"""What people write by hand instead, each program runnable on its own: URL, PROMPTS, FOLDER, then options."""
