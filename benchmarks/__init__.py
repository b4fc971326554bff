"""What batchveo costs and how fast it is, measured from outside: ``python -m benchmarks --help``."""
