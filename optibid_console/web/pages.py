"""The two pages, what they are made of, and the headers that keep them to themselves."""

from __future__ import annotations

import gzip
import hashlib
import html
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

_FORBIDDEN = "camera=(), display-capture=(), geolocation=(), microphone=(), clipboard-read=()"


def security_headers(host: str, *, tls: bool) -> dict[str, str]:
    """Nothing comes from elsewhere, goes elsewhere or is shown inside of something else (W3C
    Content Security Policy Level 3). The terminal writes its own `<style>`, hence the inline
    styles; `'self'` doesn't mean a WebSocket in older browsers, hence its address."""
    # what stands in front of a site without TLS may speak it
    sockets = f"wss://{host}" if tls else f"ws://{host} wss://{host}"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        f"font-src 'self'; img-src 'self'; connect-src 'self' {sockets}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": _FORBIDDEN,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


@dataclass(frozen=True, slots=True)
class Part:
    """A file that the pages are made of."""

    kind: str
    """Its media type."""
    data: bytes
    packed: bytes
    """The same through gzip; empty where that gains nothing."""
    tag: str
    """Its `ETag`."""


def parts() -> Mapping[str, Part]:
    """Path → what is there, and nothing else is. The terminal, its style and its font are those
    of textual-serve. Raises `ModuleNotFoundError` where that isn't installed."""
    terminal = files("textual_serve") / "static"
    own = files("optibid_console.web") / "static"
    font = "RobotoMono-VariableFont_wght.ttf"
    return {
        "/static/page.js": _part("text/javascript", (own / "page.js").read_bytes()),
        "/static/page.css": _part("text/css", (own / "page.css").read_bytes()),
        "/static/enter.js": _part("text/javascript", (own / "enter.js").read_bytes()),
        "/static/icon.svg": _part("image/svg+xml", (own / "icon.svg").read_bytes()),
        "/static/textual.js": _part(
            "text/javascript", (terminal / "js" / "textual.js").read_bytes()
        ),
        "/static/xterm.css": _part("text/css", (terminal / "css" / "xterm.css").read_bytes()),
        "/static/mono.ttf": _part("font/ttf", (terminal / "fonts" / font).read_bytes()),
    }


def _part(kind: str, data: bytes) -> Part:
    packed = gzip.compress(data, mtime=0)
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    return Part(kind, data, packed if len(packed) < len(data) * 0.9 else b"", tag)


def enter_page() -> str:
    """Where a token is asked for, of which window nobody is told before. One that stands behind
    the `#` of the address is taken at once, and leaves the browser only in a request's body."""
    return _page(
        "optibid-console",
        '<script src="/static/enter.js" defer></script>',
        """<main class="card">
<h1>Watch a deployment window</h1>
<form id="enter">
<label for="token">The link or the token that you were given</label>
<input id="token" type="password" autocomplete="off" autocapitalize="off" spellcheck="false"
 maxlength="2000" required autofocus>
<button>Watch</button>
</form>
<p id="said" role="status"></p>
<noscript><p>This page needs JavaScript.</p></noscript>
</main>""",
    )


def window_page(title: str) -> str:
    """The terminal. `page.js` starts it once its font is there."""
    return _page(
        title,
        '<link rel="stylesheet" href="/static/xterm.css">\n'
        '<script src="/static/page.js" defer></script>',
        f"""<div id="terminal" class="textual-terminal"></div>
<main class="card" id="over">
<h1>{html.escape(title)}</h1>
<p id="said" role="status">Connecting …</p>
<p id="ways" hidden><button id="again">Come back</button>
<button id="leave">Forget me here</button></p>
<noscript><p>This page needs JavaScript.</p></noscript>
</main>""",
    )


def _page(title: str, head: str, body: str) -> str:
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{html.escape(title)}</title>
<link rel="icon" href="/static/icon.svg">
<link rel="preload" href="/static/mono.ttf" as="font" type="font/ttf" crossorigin>
<link rel="stylesheet" href="/static/page.css">
{head}
</head>
<body>
{body}
</body>
</html>
"""
