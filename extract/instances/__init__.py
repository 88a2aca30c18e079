"""Question-level results of the published checkpoints."""
