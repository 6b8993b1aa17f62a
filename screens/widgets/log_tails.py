"""The tails of the log pane: their names, how each is, which is selected, how fast they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from screens.glyphs import ascii_only, glyph
from screens.sanitise import clean_text
from screens.widgets.log_rows import PANE

OTHERS = PANE - 1
"""The index that tails share when there are too many for the ring's tags."""
RATE_WINDOW_S = 3.0


@dataclass(slots=True)
class TailState:
    """How one tail is, by its own last notice."""

    name: str
    """As the runbook calls it, safe to draw."""
    state: str = "pending"
    """A glyph's name: `pending` until something came, `ok`, `failing` while it is lost."""
    notice: str = ""


class LogTails:
    """Tails by index. An index never changes, because the ring's lines carry it."""

    def __init__(self) -> None:
        self.states: list[TailState] = []
        self.selected = ""
        """The one tail that is shown; empty: all."""
        self._indexes: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.states]

    @property
    def shown_names(self) -> list[str]:
        """What the tail column needs: nothing where all lines are of one tail."""
        return [] if self.selected or len(self.states) < 2 else self.names

    def index(self, tail_id: str) -> int:
        """The index of a tail, which is added when it is new."""
        found = self._indexes.get(tail_id)
        if found is None:
            found = min(len(self.states), OTHERS)
            self._indexes[tail_id] = found
            if found == len(self.states):
                name = "others" if found == OTHERS else clean_text(tail_id)[:40]
                self.states.append(TailState(name))
        return found

    def add(self, tail_ids: Iterable[str]) -> None:
        for tail_id in tail_ids:
            self.index(tail_id)

    def name_of(self, index: int) -> str:
        return self.states[index].name if index < len(self.states) else ""

    def heard(self, index: int, notice: str, lines: int) -> None:
        """Take a tail's notice, or the fact that lines came."""
        state = self.states[index]
        if notice:
            state.notice = notice
            lost = notice.startswith(("lost", "refused", "failed", "error", "no "))
            state.state = "failing" if lost else "ok"
        elif lines:
            state.state = "ok"

    def select_next(self) -> None:
        """All → the first tail → … → the last → all."""
        cycle = ["", *self.names]
        at = cycle.index(self.selected) if self.selected in cycle else 0
        self.selected = cycle[(at + 1) % len(cycle)]

    def title(self, room: int) -> Content:
        """`all·backend·✗frontend lost·○postgres`; the selected one is marked. Within `room`."""
        dot = "|" if ascii_only() else "·"
        parts = [self._title_of("all", self.selected == "", None)]
        parts += [self._title_of(one.name, self.selected == one.name, one) for one in self.states]
        whole = Content(dot).join(parts)
        if whole.cell_length <= room:
            return whole
        shown = next((one for one in self.states if one.name == self.selected), None)
        lost = sum(one.state == "failing" for one in self.states)
        short = self._title_of(self.selected or "all", True, shown)
        rest = f"{dot}{len(self.states)} tails" + (f", {lost} lost" if lost else "")
        return Content.assemble(short, rest)

    def _title_of(self, name: str, selected: bool, state: TailState | None) -> Content:
        marked = ("> " if ascii_only() else "▸") if selected and state else ""
        style = "bold underline" if selected else ""
        if state is None or state.state == "ok":
            return Content.styled(f"{marked}{name}", style)
        word = " lost" if state.state == "failing" else ""
        return Content.styled(f"{marked}{glyph(state.state).drawn}{name}{word}", style)


class Rate:
    """Lines a second over the last `RATE_WINDOW_S`."""

    def __init__(self) -> None:
        self._batches: deque[tuple[float, int]] = deque()
        self._lines = 0

    def add(self, now: float, lines: int) -> None:
        if self._batches and now - self._batches[-1][0] < 0.1:
            at, before = self._batches.pop()
            self._batches.append((at, before + lines))
        else:
            self._batches.append((now, lines))
        self._lines += lines

    def per_second(self, now: float) -> float:
        while self._batches and now - self._batches[0][0] > RATE_WINDOW_S:
            self._lines -= self._batches.popleft()[1]
        return self._lines / RATE_WINDOW_S


def format_rate(per_second: float) -> str:
    """`0/s`, `3.2/s`, `41/s`, `1.2k/s`, `50k/s`."""
    if per_second == 0:
        return "0/s"
    if per_second < 9.95:
        return f"{per_second:.1f}/s"
    if per_second < 999.5:
        return f"{per_second:.0f}/s"
    thousands = per_second / 1000
    return f"{thousands:.1f}k/s" if thousands < 9.95 else f"{thousands:.0f}k/s"
