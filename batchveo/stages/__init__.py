"""The four things that can be done with a job; they know nothing of each other."""
