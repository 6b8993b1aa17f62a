"""Run a production deployment window of OptiBid from a terminal."""

__version__ = "0.1.0"
