"""How a window is shown: screens that know only entries, state and a source."""
