"""The audit's checks: one function per check, on plain tables and measured numbers."""
