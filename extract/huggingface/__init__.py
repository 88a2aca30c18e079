"""The Hugging Face hub, and the published pretraining results."""
