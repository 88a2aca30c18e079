"""Weights & Biases: exports on disk, offline runs, and the live API."""
