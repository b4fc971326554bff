"""The page: what happened and what goes on, in a browser."""
