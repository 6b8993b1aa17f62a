"""How far a run has come, as its command reports it: a bar and the numbers beside it."""

from __future__ import annotations

from optibid_console.launch_clock import format_span
from optibid_console.signals import Progress
from optibid_console.units import format_bytes
from screens.glyphs import ascii_only
from screens.lines import Line, Span, row, sign, width_of

_BAR = 24
_LEAST_BAR = 8
_LONGEST_NOTE = 16
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def share_of(progress: Progress) -> float | None:
    """How much of it is done, 0 to 1; None while nobody knows how much there is."""
    return min(progress.done / progress.total, 1.0) if progress.total > 0 else None


def percent(progress: Progress) -> str:
    """`35 %`, or nothing while nobody knows how much there is. At 100 % the run goes on with
    something else: what that is, where it is short."""
    share = share_of(progress)
    if share == 1 and progress.note:
        return progress.note if len(progress.note) <= _LONGEST_NOTE else ""
    return "" if share is None else f"{int(share * 100)} %"


def progress_line(progress: Progress, width: int) -> Line:
    """`████▌     1.2 GB of ~3.4 GB · 84 MB/s · ~26 s left · 3 of 12 tables: public.bids`."""
    dot = f" {sign('dot')} "
    share = share_of(progress)
    said = [_amount(progress)]
    if progress.per_s:
        said.append(f"{_counted(progress.per_s, progress.unit)}/s")
    if progress.left_s is not None and share != 1:
        said.append(f"~{_left(progress.left_s)} left")
    if progress.note:
        said.append(progress.note)
    text = Span(f" {dot.join(said)}", "running")
    room = min(_BAR, max(width - width_of((text,)), _LEAST_BAR))
    if share is None or width < 2 * _LEAST_BAR:
        return row(width, (Span(text.text.strip(), "running"),))
    return row(width, (Span(bar(share, room), "running"), text))


def bar(share: float, width: int) -> str:
    """`width` cells of which `share` (0 to 1) is filled, to an eighth of a cell."""
    if ascii_only():
        filled = int(share * (width - 2))
        return f"[{'#' * filled}{'.' * (width - 2 - filled)}]"
    whole, rest = divmod(int(share * width * 8), 8)
    text = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return text + "░" * (width - len(text))


def _amount(progress: Progress) -> str:
    done = _counted(progress.done, progress.unit)
    if progress.total <= 0:
        return done
    total = _counted(progress.total, progress.unit)
    return done if progress.done == progress.total else f"{done} of ~{total}"


def _counted(number: float, unit: str) -> str:
    return format_bytes(number) if unit == "bytes" else f"{number:,.0f} {unit}".rstrip()


def _left(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else format_span(seconds)
