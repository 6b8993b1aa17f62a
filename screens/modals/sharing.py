"""How the window is shared: its links, who watches; and a new link, shown once."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from optibid_console.launch_clock import format_span
from screens.lines import BLANK, Line, wrapped
from screens.modals.choose import Choose, Option
from screens.modals.sheet import Sheet, heading
from screens.view import View


def sharing_sheet(view: View) -> Choose:
    """`start`, `new`, `revoke:NAME` or `stop`."""

    def body(width: int, now: float) -> list[Line]:
        sharing = view.state.sharing
        started = sharing.started
        if started is None:
            why = f" Stopped: {sharing.stopped}." if sharing.stopped else ""
            return wrapped(f"This window isn't shared.{why}", width)
        how = "with TLS" if started.fingerprint else "WITHOUT TLS: everybody on the way can read it"
        lines = wrapped(f"Observers are listened for at {started.address}, {how}.", width)
        lines += [BLANK, heading("Links")]
        for one in sharing.links.values():
            left = one.expires_at - now
            until = f"for {format_span(left)} more" if left > 0 else "expired"
            lines += wrapped(f"{one.name}  made by {one.by}, {until}", width, "plain", "  ")
        if not sharing.links:
            lines += wrapped("none yet", width, "dim", "  ")
        return [*lines, BLANK, heading("Watching now"), *_watching(view, width)]

    def options() -> tuple[Option, ...]:
        if not view.drives:
            return ()
        if view.state.sharing.started is None:
            return (Option("start", "share this window; asks for the address", "s"),)
        return (
            Option("new", "a new link; asks for whom", "n"),
            *(
                Option(f"revoke:{name}", f"revoke the link of {name}: it is turned away at once")
                for name in view.state.sharing.links
            ),
            Option("stop", "stop sharing: all links are void"),
        )

    return Choose(view, "Share this window", body, options)


def _watching(view: View, width: int) -> list[Line]:
    if not view.watching:
        return wrapped("nobody", width, "dim", "  ")
    more = f" and {view.watching_more} more" if view.watching_more else ""
    return wrapped(f"{', '.join(view.watching)}{more}", width, "watching", "  ")


class LinkSheet(Sheet[None]):
    """A link, which can't be shown again: what is kept of it is a hash."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", show=False),
        Binding("enter", "leave", "leave", show=False),
    ]

    def __init__(self, view: View, name: str, link: str, hours: float) -> None:
        super().__init__(view, f"A link for {name}")
        self._link = link
        self._hours = hours
        self._said = ""

    def make_lines(self, width: int, now: float) -> list[Line]:
        text = (
            f"Who has it can watch this window for {self._hours:g} hours and change nothing. It "
            "is shown this once. Give it to them as a secret; in a shell it needs quotes:"
        )
        lines = [*wrapped(text, width), BLANK, *wrapped("optibid-console watch \\", width, "dim")]
        quoted = f"'{self._link}'"
        for start in range(0, len(quoted), max(width, 1)):
            lines += wrapped(quoted[start : start + width], width, "strong")
        if self._said:
            lines += [BLANK, *wrapped(self._said, width, "ok")]
        return lines

    def shown_keys(self) -> list[tuple[str, str]]:
        return [("y", "copy"), ("Esc", "back")]

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._link)
        self._said = "Copied, where the terminal lets programs copy (tmux: set-clipboard on)."
        self.redraw()
