"""Simulated sources, for demonstrations, tests and benchmarks without access to real projects."""
