"""How runs and states are shown."""
