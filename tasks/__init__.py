"""One step each: a Prefect task a file, with its name, limits and artifact, and no rules of its own."""
