"""Metrics of predictions, by kind of target, and their confidence intervals."""
