"""How the world is observed. Knows nothing of windows, journals or screens."""
