"""INTERACT, CUSTOMIZE: from money to segment and action."""
