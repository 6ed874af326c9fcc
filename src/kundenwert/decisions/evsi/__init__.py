"""What waiting for a customer's next orders is worth before one decides (docs/statistics.md, section Waiting)."""
