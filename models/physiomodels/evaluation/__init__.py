"""Evaluation: protocols, folds, baselines, metrics, and the tables and curves they end in."""
