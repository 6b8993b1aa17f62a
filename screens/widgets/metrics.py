"""The metrics panel: all panels in one widget that draws lines, at most 15 times a second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from optibid_console.runbook.model import PanelSpec
from probes.probe import Reading
from screens.glyphs import glyph
from screens.lines import BLANK, Line
from screens.themes import selected_style, tone_style
from screens.widgets.metric_row import Metric, metric_line, title_width
from screens.widgets.pane import draw, title_lead

FRAMES_PER_S = 15
WORST_FIRST = ("failing", "error", "unknown", "stale", "warn")


class MetricsPanel(Widget, can_focus=True):
    """A row for each panel of the runbook, in its order."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "MetricsPanel { height: 1fr; width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="metrics.open"),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("down,j", "move(1)", "down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("home", "move(-1000000)", "first", show=False),
        Binding("end", "move(1000000)", "last", show=False),
    ]

    class Opened(Message):
        """A panel is to be seen in detail."""

        def __init__(self, panel_id: str) -> None:
            super().__init__()
            self.panel_id = panel_id

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.metrics: dict[str, Metric] = {}
        self.title_text = "Metrics"
        """What the top border says: the worst state, and how many more aren't ok."""
        self._now = 0.0
        self._chosen = ""
        self._top = 0
        self._lines: list[Line] = []
        self._due = False

    @property
    def chosen(self) -> str:
        """The id of the panel that keys act on; empty when there are none."""
        if self._chosen in self.metrics:
            return self._chosen
        return next(iter(self.metrics), "")

    def set_panels(
        self, specs: Mapping[str, PanelSpec], since: Mapping[tuple[str, str], float] | None = None
    ) -> None:
        """The panels that there are. One that stays keeps its history, unless it measures
        something else `since` (epoch seconds) another runbook was accepted."""
        begun = {name: at for (kind, name), at in (since or {}).items() if kind == "panel"}
        before = {
            name: one
            for name, one in self.metrics.items()
            if one.reading is None or one.reading.at >= begun.get(name, 0.0)
        }
        self.metrics = {}
        for panel_id, spec in specs.items():
            metric = before.get(panel_id, Metric(spec))
            metric.spec = spec
            self.metrics[panel_id] = metric
        self._wake()

    def sample(self, reading: Reading) -> None:
        """Take a reading of the panel that it names; of an unknown one it is ignored."""
        metric = self.metrics.get(reading.probe)
        if metric is not None:
            metric.take(reading)
            self._now = max(self._now, reading.at)
            self._wake()

    def set_baseline(self, values: Mapping[str, float]) -> None:
        """Panel id → what it said before the deployment."""
        for panel_id, metric in self.metrics.items():
            metric.baseline = values.get(panel_id)
        self._wake()

    def tick(self, now: float) -> None:
        """Let time pass (seconds since the epoch, UTC): what has no news becomes stale."""
        self._now = now
        self._paint()

    # Drawing

    def _wake(self) -> None:
        if self.is_attached and not self._due:
            self._due = True
            self.set_timer(1 / FRAMES_PER_S, self._paint)

    def _paint(self) -> None:
        self._due = False
        width, height = self.size
        if not self.is_attached or not width:
            return
        metrics = list(self.metrics.values())
        cells = title_width(metrics, width)
        lines = [metric_line(one, width, cells, self._now) for one in metrics]
        self._retitle(metrics, len(lines) - height)
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self._scroll_to_chosen()
            self.refresh()
            return
        changed = [y for y in range(height) if self._at(before, y) != self._at(lines, y)]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _retitle(self, metrics: list[Metric], hidden: int) -> None:
        states = [one.state(self._now) for one in metrics]
        worst = next((one for one in WORST_FIRST if one in states), "")
        title = "Metrics"
        if worst:
            look = glyph(worst)
            count = states.count(worst)
            title += f"  {look.drawn} {count} {look.word}"
            others = sum(one in WORST_FIRST for one in states) - count
            title += f" +{others}" if others else ""
        if hidden > 0:
            title += f"  {len(metrics) - hidden} of {len(metrics)} shown"
        if title != self.title_text or self.border_title is None:
            self.title_text = title
        shown = Content(title_lead(self) + title + " ")
        if self.border_title != shown.markup:
            self.border_title = shown

    def _at(self, lines: list[Line], y: int) -> Line | None:
        index = self._top + y
        return lines[index] if index < len(lines) else None

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        variables = self.app.theme_variables
        line = self._at(self._lines, y)
        if line is None:
            return draw(BLANK, width, base, lambda tone: tone_style(variables, tone))
        if self.has_focus and line.key == self.chosen:
            base += selected_style(variables)
        return draw(line, width, base, lambda tone: tone_style(variables, tone))

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())
        self._retitle([], 0)
        self._wake()

    def on_resize(self) -> None:
        self._lines = []
        self._paint()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # Moving

    def action_move(self, step: int) -> None:
        ids = list(self.metrics)
        if ids:
            at = ids.index(self.chosen) + step
            self._chosen = ids[min(max(at, 0), len(ids) - 1)]
            self._scroll_to_chosen()
            self.refresh()

    def action_page(self, direction: int) -> None:
        self.action_move(direction * max(self.size.height - 1, 1))

    def _scroll_to_chosen(self) -> None:
        ids = list(self.metrics)
        height = max(self.size.height, 1)
        at = ids.index(self.chosen) if ids else 0
        self._top = min(max(self._top, at - height + 1), at, max(len(ids) - height, 0))

    def action_open(self) -> None:
        if self.chosen:
            self.post_message(self.Opened(self.chosen))

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        line = self._at(self._lines, place.y) if place else None
        if line is None:
            return
        again = line.key == self.chosen and event.chain == 2
        self._chosen = line.key
        self.refresh()
        if again:
            self.action_open()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(1)
