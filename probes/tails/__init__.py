"""Followed logs: a file on a host, and a container through Docker's API."""
