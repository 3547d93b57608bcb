"""How a store is made: plan, execute, journal, gather, commit."""
