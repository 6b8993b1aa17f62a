"""How a window is shown: screens that know only entries, state and a source."""

import os

# Textual's own limit of 60 frames a second lets a key wait for 16 ms behind a frame of another
# pane. It reads this when it is loaded; what isn't a key's answer is drawn 15 times a second.
os.environ.setdefault("TEXTUAL_FPS", "120")
