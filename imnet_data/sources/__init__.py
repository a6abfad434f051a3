"""Sources: where Records come from."""
