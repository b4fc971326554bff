"""The page: what a state holds, for eyes."""
