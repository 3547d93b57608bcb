"""Recipes of steps: run one, and report what a run gave."""
