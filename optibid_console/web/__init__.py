"""The window in a browser: one page, one process that watches, under the feed's own tokens."""
