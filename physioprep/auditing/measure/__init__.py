"""What the audit measures of a signal, before any check judges it."""
