"""Training: pretraining, fine-tuning, and what both need (data, processes, cards, curves)."""
