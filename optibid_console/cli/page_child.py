"""The process of one page in a browser: watches by the link in its environment, and can't do more.

`python -m optibid_console.cli.page_child` speaks Textual's web protocol on standard input and
output. Its rights are given up before anything is loaded that a page could reach.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys

MOST_MEMORY_BYTES = 768 * 1024 * 1024
_NICER = 5
"""Who drives is served before who watches, where both are on one machine."""


def main() -> int:
    """Gives the exit status; why it ended stands on standard error."""
    give_up_rights()
    parser = argparse.ArgumentParser()
    parser.add_argument("--ascii", action="store_true")
    parser.add_argument("--theme", default="dark")
    options = parser.parse_args()
    options.watch = True

    from optibid_console.cli.main import unexpected
    from optibid_console.cli.showing import show
    from optibid_console.cli.watching import LINK_VARIABLE, watched_at
    from optibid_console.printed import say, say_text
    from optibid_console.source import Source, SourceError

    try:
        watched = watched_at(os.environ.pop(LINK_VARIABLE))

        async def connect() -> Source:
            return watched.open("browser", None)

        return show(connect, watched.title, options, saves_files=False)
    except SourceError as error:
        say_text(str(error), err=True)
        return int(getattr(error, "exit_code", 1))
    except BrokenPipeError:  # its page's server is gone
        return 1
    except Exception as error:
        say(unexpected(error), err=True)
        return 1


def give_up_rights() -> None:
    """No file can be written, no more memory taken than a screen needs, no core dumped with what
    was on screen (setrlimit(2)). What can't be written fails as on a full disk."""
    for kind, most in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, MOST_MEMORY_BYTES),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    os.nice(_NICER)


if __name__ == "__main__":
    sys.exit(main())
