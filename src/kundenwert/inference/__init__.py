"""How a posterior is computed and judged."""
