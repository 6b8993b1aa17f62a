"""What can be typed: the subcommands and their options."""

from __future__ import annotations

import argparse
from pathlib import Path

from optibid_console import __version__
from optibid_console.cli.sharing_options import serve_options, share_options, web_options
from optibid_console.journal_place import BadPlace, Place, place_of
from optibid_console.printed import Parser

_EXITS = "exit status: 0 done, 1 failed, 2 bad input, 3 refused, 4 unknown"
_ACTION_EXITS = (
    "exit status: 0 done, 1 failed or stopped at a failed step, 2 bad input, 3 refused (or not "
    "confirmed), 4 unknown, or waiting for a person; 130: interrupted, and it goes on"
)
_TOP_LEVEL = ("-h", "--help", "--version")


def parse(argv: list[str]) -> argparse.Namespace:
    """The command and its options; `run` when none is named. Ends the program with status 2
    when they can't be understood."""
    if not argv or (argv[0].startswith("-") and argv[0] not in _TOP_LEVEL):
        argv = ["run", *argv]
    if argv[0] == "demo":
        return argparse.Namespace(command="demo", rest=argv[1:])
    return _parser().parse_args(argv)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="optibid-console",
        description="Run a production deployment window of OptiBid from a terminal.",
        epilog=f"Without a command it is `run`. {_EXITS}",
    )
    parser.add_argument("--version", action="version", version=f"optibid-console {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run", help="open the window, or come back to it, and drive it", epilog=_EXITS
    )
    _window(run)
    run.add_argument("--watch", action="store_true", help="only watch; starts no engine")
    _screen(run)
    serve_options(run)
    watch = commands.add_parser(
        "watch", help="watch a window that somebody shares, or one that runs here",
        description="Watch a window: the same screens, and nothing can be changed. A link needs "
        "quotes in a shell. It holds a token: `-` reads it from standard input, and "
        "$OPTIBID_LINK is taken when none is given, so that no list of processes shows it.",
        epilog=_EXITS,
    )  # fmt: skip
    watch.add_argument(
        "where", nargs="?", default="", metavar="LINK",
        help="optibid://HOST:PORT/#…, -, or a journal's path; nothing: $OPTIBID_LINK, else the "
        "window that runs here",
    )  # fmt: skip
    watch.add_argument(
        "--after", type=int, default=0, metavar="NUMBER",
        help="with --json: only entries after this number",
    )  # fmt: skip
    _json(watch)
    _screen(watch)
    web_options(watch)
    attach = commands.add_parser(
        "attach", help="come back to a window that runs, here or on another machine", epilog=_EXITS
    )
    attach.add_argument(
        "where", nargs="?", default="", metavar="WHERE",
        help="a journal's path or address, or ssh://[USER@]HOST[:PORT]/[JOURNAL]; nothing: the one "
        "that runs",
    )  # fmt: skip
    attach.add_argument("--watch", action="store_true", help="only watch")
    _screen(attach)
    _action(
        commands.add_parser(
            "action",
            help="do an action (backup, migrate, rollback, …) without a screen",
            description="Do an action of the runbook: the same guards and the same journal as its "
            "key. Without --confirm it shows the plan and does nothing. An action that is under "
            "way is attached to, never started again.",
            epilog=_ACTION_EXITS,
        )
    )
    _controls(commands)
    _reload(commands)
    share = commands.add_parser(
        "share",
        help="make a link to watch the window with, list the links, or take one back",
        description="Make a link for somebody to watch the running window with: the same guards "
        "and the same journal as `share this window` in the palette. The link alone goes to "
        "standard output; it holds a token.",
        epilog=_EXITS,
    )
    share_options(share)
    _window(share)
    _json(share)
    rehearse = commands.add_parser(
        "rehearse",
        help="walk a whole rehearsal by itself, and say what it found",
        description="Walk every step of every phase and every action in a rehearsal: what is "
        "marked read-only is done and measured, all else is only walked. Nothing is changed.",
        epilog="exit status: 0 nothing found, 1 findings, 2 bad input, 3 refused, 4 unknown",
    )
    _config(rehearse)
    rehearse.add_argument(
        "--journal", type=_place, metavar="PLACE",
        help="where it is recorded; a new one of this config's rehearsals when not given",
    )  # fmt: skip
    _name(rehearse)
    _json(rehearse)
    rehearse.set_defaults(rehearse=True, t0=None, take_over="", of="", accept_runbook=False)
    engine = commands.add_parser(
        "engine", help="run the window's engine in the foreground, without a screen", epilog=_EXITS
    )
    _window(engine)
    serve_options(engine)
    engine.add_argument("--ready-fd", type=int, default=-1, help=argparse.SUPPRESS)
    status = commands.add_parser("status", help="say in a few lines where the window is")
    status.add_argument("where", nargs="?", default="", metavar="JOURNAL")
    status.add_argument(
        "-c", "--config", type=Path, metavar="FILE",
        help="the window of this runbook, running or the newest that is recorded",
    )  # fmt: skip
    _json(status)
    status.add_argument("--all", action="store_true", help="every window that runs here")
    verify = commands.add_parser(
        "verify", help="prove that no entry of a journal was changed, or name the first that was",
        description="Walk the journal's hash chain. It proves that no entry up to the head was "
        "changed, inserted, removed or reordered. By itself it can't show that entries were cut "
        "off at the end, or that the chain was sealed anew from some entry on by somebody who may "
        "write the journal: give --head for that. `status`, the closing words of a window, "
        "observers' screens and the messages of [tell.*] show the head of their moment.",
        epilog="exit status: 0 whole, 1 changed or without the noted head, 2 can't be read",
    )  # fmt: skip
    verify.add_argument("journal", type=_place, metavar="JOURNAL")
    verify.add_argument(
        "--head", default="", metavar="NUMBER:HASH",
        help="a head that was noted elsewhere (or its hash, 12 digits at least): that very entry "
        "must still be in the journal",
    )  # fmt: skip
    _json(verify)
    journal = commands.add_parser("journal", help="make a team's journal in a PostgreSQL")
    journals = journal.add_subparsers(dest="journal_command", required=True, metavar="COMMAND")
    init = journals.add_parser(
        "init",
        help="make its schema and its two roles",
        description="Make the journal's schema, a role that may append and never change, and a "
        "role that may only read. Give the address with a user who may create schemas and roles; "
        "a second time it changes nothing but what is missing.",
        epilog=_EXITS,
    )
    init.add_argument("url", type=_place, metavar="postgresql://USER@HOST/DATABASE")
    init.add_argument("--operator", default="optibid_operator", metavar="ROLE")
    init.add_argument("--observer", default="optibid_observer", metavar="ROLE")
    deliver = journals.add_parser(
        "deliver",
        help="bring in what a console here recorded while it was cut off",
        description="A rollback that was forced here while the server was away, by a console that "
        "another one had taken the window from meanwhile, lies in a spill file here. This brings "
        "it to the journal as one entry, beside what who drives now has recorded.",
        epilog=_EXITS,
    )
    deliver.add_argument("url", type=_place, metavar="postgresql://USER@HOST/DATABASE?window=NAME")
    commands.add_parser("demo", help="a whole window on a stack that it starts itself")
    check = commands.add_parser("check", help="say whether a config can be used", epilog=_EXITS)
    _config(check)
    _json(check)
    probe = commands.add_parser("probe", help="take readings once and print them", epilog=_EXITS)
    _config(probe)
    _json(probe)
    probe.add_argument("names", nargs="*", metavar="NAME", help="probes; none: all")
    tell = commands.add_parser(
        "tell", help="send a test message through one of the runbook's channels", epilog=_EXITS
    )
    tell.add_argument(
        "--test", required=True, metavar="CHANNEL", help="the ID of a [tell.ID] in the runbook"
    )
    _config(tell)
    _json(tell)
    return parser


def _place(text: str) -> Place:
    try:
        return place_of(text)
    except BadPlace as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-c", "--config", type=Path, default=Path("config.toml"), metavar="FILE",
        help="the runbook; config.toml when not given",
    )  # fmt: skip


def _action(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", metavar="NAME", help="backup, migrate, rollback, …")
    _window(parser)
    parser.add_argument(
        "--confirm", default="", metavar="WORD",
        help="what the key asks to be typed, as a rule the action's name; without it the plan "
        "is shown and nothing is done",
    )  # fmt: skip
    parser.add_argument(
        "--decide", choices=("retry", "skip", "stop", "done"),
        help="the way on of an action that stopped at a failed step; done: what a person had "
        "to do is done",
    )  # fmt: skip
    parser.add_argument("--reason", default="", help="why, for --decide")
    _json(parser)


_CONTROLS = {
    "hold": "hold the window's clock, with a reason",
    "resume": "end the hold; what is left shifts",
    "step": "run a step of the phases, again when it failed, or confirm one done by hand",
    "skip": "leave a step out that isn't required, with a reason",
    "waive": "go on without a required step that can't be done, with a reason",
    "adopt": "record migrations that a database has as applied, by name, without running them",
    "jump": "go on from another step, or open it and what follows again, with a reason",
    "abort": "end what is under way: an action as a whole, else the run of a step",
    "forward": "go forward again after a rollback; it runs nothing, steps may be run again",
}


def _controls(commands: argparse._SubParsersAction[Parser]) -> None:
    """What some keys do, for who has no screen."""
    for name, does in _CONTROLS.items():
        parser = commands.add_parser(
            name, help=f"{does}; without a screen",
            description=f"{does[0].upper()}{does[1:]}: the same guards and the same journal as "
            "its key.", epilog=_EXITS,
        )  # fmt: skip
        if name in ("step", "skip", "waive", "jump"):
            parser.add_argument("step", metavar="STEP", help="its id in the runbook")
        if name == "step":
            parser.add_argument(
                "--confirm", default="", metavar="STEP",
                help="its id once more; without it what it would do is shown and nothing is done",
            )  # fmt: skip
        if name == "waive":
            parser.add_argument(
                "--confirm", default="", metavar="STEP",
                help="its id once more: it is waived alone; a second person confirms on a screen",
            )  # fmt: skip
        if name == "adopt":
            parser.add_argument("database", metavar="DATABASE", help="its id in the runbook")
            parser.add_argument(
                "names", metavar="NAME", nargs="+",
                help="a file of the release, as 001_initial_schema",
            )  # fmt: skip
            parser.add_argument(
                "--confirm", default="", metavar="DATABASE",
                help="its id once more; without it nothing is recorded",
            )  # fmt: skip
        if name == "forward":
            parser.add_argument(
                "--confirm", default="", metavar="WORD",
                help="what the screen asks to be typed, as a rule `forward`",
            )  # fmt: skip
        needed = name in ("hold", "skip", "waive", "jump", "adopt")
        text = {"resume": "a note", "step": "why again, or a note"}.get(name, "why")
        if name != "abort":
            parser.add_argument(
                "--reason", default="", required=needed, help=f"{text}; it is recorded"
            )
        _window(parser)
        _json(parser)


def _reload(commands: argparse._SubParsersAction[Parser]) -> None:
    parser = commands.add_parser(
        "reload",
        help="go by the runbook as it is now, in mid-window; without --confirm show what changes",
        description="Have the running engine read its config again. Without --confirm it shows "
        "what that changes for steps done and to come, and does nothing.",
        epilog=_EXITS,
    )
    _config(parser)
    _journal(parser)
    parser.add_argument(
        "--confirm", default="", metavar="DIGEST",
        help="the digest that was shown: the engine goes by that very runbook and no other",
    )  # fmt: skip
    _take_over(parser)
    _name(parser)
    _json(parser)


def _journal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--journal", type=_place, metavar="PLACE",
        help="where the window is recorded, a file or a team's postgresql://[USER@]HOST/DATABASE; "
        "this config's own file when not given",
    )  # fmt: skip


def _take_over(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--take-over", default="", metavar="REASON",
        help="take the window over from whoever holds it; the reason is recorded",
    )  # fmt: skip


def _window(parser: argparse.ArgumentParser) -> None:
    _config(parser)
    _journal(parser)
    parser.add_argument("--t0", metavar="WHEN", help="T-0 of a new window: RFC 3339 or HH:MM (UTC)")
    _take_over(parser)
    parser.add_argument(
        "--of", default="", metavar="HOLDER",
        help="with --take-over on a team's journal: who holds the window, when their console "
        "still answers there",
    )  # fmt: skip
    parser.add_argument(
        "--accept-runbook", action="store_true",
        help="go on with a runbook that has changed; the difference is recorded",
    )  # fmt: skip
    parser.add_argument(
        "--rehearse", action="store_true",
        help="a window of its own that walks everything and can't change anything: only what "
        "the runbook marks read-only is launched",
    )  # fmt: skip
    _name(parser)


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as", dest="name", default="", metavar="NAME", help="who you are; $USER when not given"
    )


def _screen(parser: argparse.ArgumentParser) -> None:
    if not any(one.dest == "name" for one in parser._actions):
        _name(parser)
    parser.add_argument("--ascii", action="store_true", help="no glyphs beyond ASCII")
    parser.add_argument("--theme", default="dark", metavar="NAME", help="dark, light, …")


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")
