"""The audit's report as page, tables and pictures."""
