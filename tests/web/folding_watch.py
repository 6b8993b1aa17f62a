"""The real `optibid-console`, which says as it leaves what it has folded the window to."""

from __future__ import annotations

import sys

from optibid_console.cli.main import main
from screens.app import ConsoleApp
from tests.web.folding_child import tell

if __name__ == "__main__":
    ConsoleApp.on_unmount = tell  # type: ignore[method-assign]
    sys.exit(main())
