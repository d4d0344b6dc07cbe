"""What will run, why, and what it costs: a pure function of manifest, books and endpoint. No network."""
