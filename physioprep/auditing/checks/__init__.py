"""The audit's checks: one function a check, on plain tables and measured numbers."""
