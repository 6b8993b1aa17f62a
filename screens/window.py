"""The window's screen: its panes, which of them is seen, and what each key sets going."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget

from screens.keys import PANES, bindings
from screens.view import EVERYTHING, Topic, View, waits_for_person, why_no_lines
from screens.widgets.advice_line import AdviceLine
from screens.widgets.banner import Banner
from screens.widgets.checklist import Checklist
from screens.widgets.footer import Footer, PaneBar
from screens.widgets.header import Header
from screens.widgets.logs import LogPane
from screens.widgets.metrics import MetricsPanel
from screens.widgets.pane import Pane
from screens.widgets.probes import Probes
from screens.widgets.run_pane import RunPane
from screens.widgets.timeline import Timeline

if TYPE_CHECKING:
    from screens.app import ConsoleApp
    from screens.operate import Operator

THREE_COLUMNS = 120
"""From so many columns on, all panes are seen at once."""
HOME = "timeline"
"""The pane that a screen starts in, and where Esc ends."""
SHORT = 9
"""Below so many rows, there is no pane bar and one header line."""


class WindowScreen(Screen[None]):
    """Header, banner, panes, pane bar and footer."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    AUTO_FOCUS = "#timeline"
    app: ConsoleApp

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.header = Header(view, "header")
        self.advice = AdviceLine(view)
        self.banner = Banner(view, "banner")
        self.timeline = Timeline(view)
        self.checklist = Checklist(view)
        self.logs = LogPane(id="logs")
        self.run_pane = RunPane(view)
        self.probes = Probes(view)
        self.metrics = MetricsPanel(id="metrics")
        self.pane_bar = PaneBar(view)
        self.footer = Footer(view)
        self.current = HOME
        self.zoomed = False

    @property
    def operator(self) -> Operator:
        return self.app.operator

    def compose(self) -> ComposeResult:
        yield self.header
        yield self.advice
        yield self.banner
        with Horizontal(id="body"):
            with Vertical(classes="column", id="left"):
                yield self.timeline
                yield self.checklist
            with Vertical(classes="column", id="middle"):
                yield self.logs
                yield self.run_pane
            with Vertical(classes="column", id="right"):
                yield self.metrics
                yield self.probes
        yield self.pane_bar
        yield self.footer

    def on_mount(self) -> None:
        self.banner.display = False
        self.logs.saves_copies = self.app.saves_files
        self.set_interval(1.0, self.tick)
        # What came before there was anything to draw on.
        self.call_after_refresh(self.redraw, EVERYTHING)

    # Drawing

    def tick(self) -> None:
        """Once a second: everything that shows a time. Panes repaint only what changed."""
        for pane in (
            self.header,
            self.advice,
            self.banner,
            self.timeline,
            self.run_pane,
            self.probes,
        ):
            pane.redraw()
        self.metrics.tick(self.view.now())
        self.app.redraw_sheet()
        self.app.show_title()

    def redraw(self, topics: frozenset[Topic]) -> None:
        """Draw what these topics are about."""
        if not self.is_mounted:
            return
        panes: dict[Topic, tuple[Pane, ...]] = {
            Topic.HEADER: (self.header, self.advice, self.pane_bar, self.footer),
            Topic.BANNER: (self.advice, self.banner),
            Topic.TIMELINE: (self.timeline, self.advice, self.footer),
            Topic.CHECKLIST: (self.checklist,),
            Topic.PROBES: (self.probes, self.pane_bar),
            Topic.RUN: (self.run_pane, self.pane_bar),
        }
        wanted = dict.fromkeys(pane for topic in topics for pane in panes.get(topic, ()))
        for pane in wanted:
            pane.redraw()
        if Topic.LINK in topics:
            self.set_class(self.view.lost is not None, "-lost")
            self.logs.absent = why_no_lines(self.view)
            self.logs.refresh()
        if Topic.METRICS in topics:
            self.metrics.set_baseline(dict(self.view.state.baseline))
        self._tell_footer()

    def set_up(self) -> None:
        """Give the panes that keep their own store what the runbook names."""
        runbook = self.view.state.runbook
        if runbook is not None:
            self.logs.set_tails(runbook.tails)
            self.metrics.set_panels(runbook.panels, self.view.measured_since)
            self.lay_out()

    def _tell_footer(self) -> None:
        widget = self.pane(self.current)
        self.footer.about(self.current, widget.chosen if isinstance(widget, Pane) else "")
        self.advice.about(
            self.current, self.chosen(), self.timeline.chosen, moved=self.timeline.moved
        )

    # Which pane is seen

    def pane(self, name: str) -> Widget:
        return {
            "timeline": self.timeline, "checklist": self.checklist, "logs": self.logs,
            "run": self.run_pane, "probes": self.probes, "metrics": self.metrics,
        }[name]  # fmt: skip

    def lay_out(self) -> None:
        """Show all panes, or the current one alone where it is zoomed or the screen is small."""
        single = self.zoomed or self.size.width < THREE_COLUMNS
        short = self.size.height < SHORT
        self.set_class(single, "-single")
        self.set_class(short, "-short")
        for name in PANES:
            widget = self.pane(name)
            if not single or name == self.current:
                widget.display = True
        for name in PANES:
            if single and name != self.current:
                self.pane(name).display = False
        for column in self.query(".column"):
            column.display = any(child.display for child in column.children)
        if not single:
            self.metrics.styles.height = len(self.metrics.metrics) + 1
        else:
            self.metrics.styles.height = "1fr"
        self.pane_bar.display = single and not short
        self.pane_bar.current = self.current
        self.pane_bar.redraw()

    def on_resize(self) -> None:
        self.lay_out()

    def go_to(self, name: str) -> None:
        """Focus a pane; where only one is seen, see that one."""
        self.current = name
        self.lay_out()
        self.set_focus(self.pane(name))
        self._tell_footer()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        inside = [one.id for one in event.widget.ancestors_with_self if one.id in PANES]
        if inside and inside[0] is not None and inside[0] != self.current:
            self.current = inside[0]
            self.lay_out()
        self._tell_footer()

    def on_key(self) -> None:
        self.call_later(self._tell_footer)

    def on_pane_bar_picked(self, event: PaneBar.Picked) -> None:
        self.go_to(event.pane)

    def on_pane_moved(self) -> None:
        self._tell_footer()

    def on_pane_opened(self) -> None:
        self.action_open()

    def on_metrics_panel_opened(self, event: MetricsPanel.Opened) -> None:
        self._start(lambda: self.operator.details(f"panel:{event.panel_id}"))

    def action_pane(self, name: str) -> None:
        self.go_to(name)

    def action_cycle(self, step: int) -> None:
        self.go_to(PANES[(PANES.index(self.current) + step) % len(PANES)])

    def action_zoom(self) -> None:
        self.zoomed = not self.zoomed
        self.go_to(self.current)

    def action_back(self) -> None:
        """Out of the zoom; else the pane goes back to what it shows by itself; else back home.

        Who pressed Enter on a step that runs is in the run pane, where Enter starts nothing."""
        if self.zoomed:
            self.action_zoom()
            return
        widget = self.pane(self.current)
        if not (isinstance(widget, Pane) and widget.release()):
            self.go_to(HOME)
        self._tell_footer()

    # What keys set going

    def chosen(self) -> str:
        """The key of the line under the cursor of the focused pane."""
        if self.current == "run":
            run = self.run_pane.run_state()
            if run is None:
                return ""
            return f"astep:{run.step_key}" if "/" in run.step_key else f"step:{run.step_key}"
        widget = self.pane(self.current)
        return widget.chosen if isinstance(widget, Pane) else ""

    def _start(self, flow: Callable[[], Awaitable[None]]) -> None:
        self.app.start(flow)

    def action_open(self) -> None:
        key = self.chosen()
        if waits_for_person(self.view, key):
            self._start(lambda: self.operator.open(key))
        elif key.startswith(("phase:", "section:", "action:")):
            self.action_tick()
        elif self.current == "run":
            self._start(lambda: self.operator.details(key))
        elif key:
            self._start(lambda: self.operator.open(key))

    def action_tick(self) -> None:
        key = self.chosen()
        widget = self.pane(self.current)
        if isinstance(widget, Timeline | Checklist) and widget.fold():
            return
        if key.startswith("item:"):
            self._start(lambda: self.operator.marking.tick(key))

    def action_note(self) -> None:
        key = self.chosen()
        self._start(lambda: self.operator.marking.note(key))

    def action_skip(self) -> None:
        key = self.chosen()
        self._start(lambda: self.operator.skip(key))

    def action_jump(self) -> None:
        key = self.chosen()
        self._start(lambda: self.operator.jump(key))

    def action_abort(self) -> None:
        self._start(self.operator.running.abort)

    def action_hold(self) -> None:
        self._start(self.operator.people.hold)

    def action_poll(self) -> None:
        self._start(self.operator.people.poll)

    def action_contacts(self) -> None:
        self._start(self.operator.people.contacts)

    def action_acknowledge(self) -> None:
        self._start(self.operator.people.acknowledge)

    def action_lease(self) -> None:
        self._start(self.operator.people.lease)

    def action_leave(self) -> None:
        self._start(self.operator.people.leave)

    def action_start_action(self, action_id: str) -> None:
        self._start(lambda: self.operator.running.start_action(action_id))

    async def action_help(self) -> None:
        from screens.modals.help import help_sheet

        self.app.push_screen(help_sheet(self.view, self.current))
