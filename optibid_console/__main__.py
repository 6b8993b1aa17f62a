"""`python -m optibid_console` is the `optibid-console` command."""

from optibid_console.cli import main

raise SystemExit(main())
