"""One file a migration, numbered; each one only adds."""
