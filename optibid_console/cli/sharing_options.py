"""What can be typed about showing a window elsewhere."""

from __future__ import annotations

import argparse

from optibid_console.runbook.durations import parse_duration


def serve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--serve", default="", metavar="HOST:PORT",
        help="share the window with observers at this address and show a link; port 7443 when "
        "none is given",
    )  # fmt: skip
    _certificate(parser, "serve")
    parser.add_argument(
        "--serve-plain", nargs="?", const="loopback", default="", metavar="HOST",
        help="without TLS: on loopback, or elsewhere when HOST names the address again",
    )  # fmt: skip


def web_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--web", default="", metavar="HOST:PORT",
        help="serve the screens to browsers there, each person with a link or token of their own",
    )  # fmt: skip
    _certificate(parser, "web", ", and none on loopback")
    parser.add_argument(
        "--web-plain", default="", metavar="HOST",
        help="without TLS elsewhere than on loopback, when HOST names the address again",
    )  # fmt: skip
    parser.add_argument(
        "--web-name", action="append", default=[], metavar="NAME",
        help="a further name by which browsers reach it, say that of a proxy in front of it",
    )  # fmt: skip
    parser.add_argument(
        "--web-proxy", action="append", default=[], metavar="ADDRESS[,ADDRESS]",
        help="the IP address of a proxy in front of it: clients are then told apart by the address "
        "that it forwards (X-Forwarded-For, or Forwarded of RFC 7239), which is ignored from "
        "anybody else",
    )  # fmt: skip


def share_options(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--name", dest="link_name", default="", metavar="WHO",
        help="for whom the link is; it is recorded and shown while they watch; observers when not "
        "given",
    )  # fmt: skip
    what.add_argument("--list", action="store_true", help="say who has links; needs no engine")
    what.add_argument(
        "--revoke", default="", metavar="WHO",
        help="make this link void: who watches with it is turned away at once",
    )  # fmt: skip
    what.add_argument(
        "--stop", action="store_true", help="listen for nobody any more; all links are void"
    )
    parser.add_argument(
        "--for", dest="lasts_s", type=_lasts, default=12 * 3600.0, metavar="TIME",
        help="for how long the link is good: 30m, 12h (when not given), at most 7d",
    )  # fmt: skip
    serve_options(parser)


def _lasts(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}; a time is 30m, 12h or 2d") from None


def _certificate(parser: argparse.ArgumentParser, listener: str, more: str = "") -> None:
    parser.add_argument(
        f"--{listener}-cert", default="", metavar="FILE",
        help=f"the certificate and its key (PEM) for --{listener}; the console's own when not "
        f"given{more}",
    )  # fmt: skip
