"""IDENTIFY: from a transaction log to the customer summary."""
