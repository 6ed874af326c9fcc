"""The algebra of each model, written once and used by likelihood, prediction and tests."""
