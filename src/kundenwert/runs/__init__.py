"""Results for people and machines: the run folder, the report, the terminal."""
