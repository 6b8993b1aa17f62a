"""Which worker runs which test when pytest-xdist runs them side by side.

* Tests marked `alone` come first, one after the other, while no other test runs.
* Then come the slow ones, so that none of them is the last one.
* What belongs to a group (`xdist_group`) runs in one worker; everything else in the next free one.

Without workers, or without the plugin, tests run in the order in which they were found.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadGroupScheduling

ALONE = "alone"
GROUPED = "loadgroup"
_GROUP_OF_FIXTURE = {"stack": "demo stack", "changing_stack": "demo release"}
"""Servers that are slow to start, and the group of those who share one."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Groups hold with `-n` alone, which would mean `--dist load` otherwise."""
    if hasattr(config, "workerinput"):
        config.option.loadgroup = config.workerinput["dist"] == GROUPED
        for name in ("COLUMNS", "LINES"):  # readline told the workers of a terminal of 80x24
            os.environ.pop(name, None)
    elif getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = GROUPED


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Workers read the command line again, and nothing else."""
    node.workerinput["dist"] = node.config.option.dist


@pytest.hookimpl(tryfirst=True)  # xdist then notes the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        if item.get_closest_marker(ALONE):
            item.add_marker(pytest.mark.xdist_group(ALONE))
            continue
        for fixture, group in _GROUP_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.get_closest_marker(ALONE):
        return 0
    if item.get_closest_marker("slow"):
        return 1
    return 2 if item.get_closest_marker("xdist_group") else 3


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    if config.getvalue("dist") != GROUPED:
        return None
    config.option.loadscopereorder = False  # the order is that of `_turn`
    return _alone_first()(config, log)


def _alone_first() -> type[LoadGroupScheduling]:
    from xdist.scheduler import LoadGroupScheduling

    class AloneFirst(LoadGroupScheduling):
        """One worker gets the group `alone`; the others get nothing until it is done."""

        _alone: dict[str, bool] | None = None
        """Test → whether it is done."""
        _holder: Any = None

        def _assign_work_unit(self, node: Any) -> None:
            if self._waits(node):
                return
            if ALONE in self.workqueue:
                self.workqueue.move_to_end(ALONE, last=False)
                self._alone, self._holder = self.workqueue[ALONE], node
            super()._assign_work_unit(node)

        def _reschedule(self, node: Any) -> None:
            if not self._waits(node):
                super()._reschedule(node)

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            super().mark_test_complete(node, item_index, duration)
            if self._alone is not None and all(self._alone.values()):
                self._alone = None
                for other in self.nodes * 2:  # a worker runs a test once it knows the next one
                    self._reschedule(other)

        def remove_node(self, node: Any) -> str | None:
            if node is self._holder:
                self._holder = None  # whoever is next goes on with what it left
            crashed: str | None = super().remove_node(node)
            return crashed

        def _waits(self, node: Any) -> bool:
            return self._alone is not None and self._holder not in (None, node)

    return AloneFirst
