"""A small OptiBid that runs anywhere: what the demo and the tests deploy to."""
