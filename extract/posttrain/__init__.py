"""OLMES results of trained models, from disk."""
