"""`journal init` and `journal deliver`: a team's journal in a PostgreSQL."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing

from optibid_console.journal_place import Address
from optibid_console.printed import say


def init(options: Namespace) -> int:
    """Make them and say what is left to do. Raises `JournalError`."""
    address = options.url
    if not isinstance(address, Address):
        say(
            f"optibid-console: {address} is a file, which `run` makes by itself; `journal init` "
            "takes postgresql://USER@HOST/DATABASE",
            err=True,
        )
        return 2
    from optibid_console.journal import postgres_link, postgres_schema

    with (
        closing(postgres_link.connect_any(address, writable=True)) as db,
        postgres_link.explained(address, "made"),
    ):
        made = postgres_schema.init(db, address, options.operator, options.observer)
    say(f"✓ {address.server}: the journal's schema {postgres_schema.SCHEMA} is there")
    say(f"✓ {options.operator} may append and read, and never change or delete an entry")
    say(f"✓ {options.observer} may only read")
    for warning in made.warnings:
        say(f"! {warning}")
    if made.roles:
        say("", "Next, in psql as an administrator:")
        for role in made.roles:
            say(f"  \\password {role}")
        say("or grant them to your people's own roles: GRANT optibid_operator TO ann;")
    where = Address(address.host, address.port, address.dbname, options.operator,
                    options=address.options)  # fmt: skip
    say("", f"Then: optibid-console run -c config.toml --journal {where}")
    return 0


def deliver(options: Namespace) -> int:
    """Bring in what lies here beside a window's journal. Raises `JournalError`."""
    address = options.url
    if not isinstance(address, Address):
        say(
            f"optibid-console: {address} is a file: what lies beside it is merged when an engine "
            "starts; `journal deliver` takes postgresql://USER@HOST/DATABASE?window=NAME",
            err=True,
        )
        return 2
    from optibid_console import engine_record
    from optibid_console.journal import delivering
    from optibid_console.journal.places import newest

    named = address if address.window else newest(address)
    assert isinstance(named, Address)
    running = engine_record.find(named)
    if running is not None:
        say(
            f"optibid-console: an engine (process {running.pid}) runs this window here, and merges "
            "what lies here by itself once it can",
            err=True,
        )
        return 3
    count = delivering.deliver(named, "")
    say(f"{count} entries are in {named} now" if count else "nothing waits here for this window")
    return 0
