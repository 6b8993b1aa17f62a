"""`python -m optibid_console` is the `optibid-console` command."""

from optibid_console.program import program

raise SystemExit(program())
