"""Tests that run alone do so, whatever becomes of the workers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.scheduling import pytest_xdist_make_scheduler

pytest.importorskip("xdist")
ALONE = ["t::a@alone", "t::b@alone", "t::c@alone"]
OTHERS = [f"t::other-{number}" for number in range(6)]


class Worker:
    """A worker that runs what it is given when the test says so."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(tests: list[str], count: int = 3) -> tuple[Any, list[Worker]]:
    options = {"dist": "loadgroup", "tx": [f"{count}*popen"]}
    config = SimpleNamespace(option=SimpleNamespace(), getvalue=options.__getitem__)
    scheduler: Any = pytest_xdist_make_scheduler(cast(Any, config), None)
    workers = [Worker(f"gw{number}") for number in range(count)]
    for worker in workers:
        scheduler.add_node(worker)
    for worker in workers:
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    return scheduler, workers


def play(scheduler: Any, workers: list[Worker], tests: list[str]) -> list[str]:
    """Let each worker in turn run one test, as long as it knows the next one or that there is
    none; gives the names as they were run."""
    ran = []
    while ready := [one for one in workers if len(one.given) > (0 if one.shutting_down else 1)]:
        for worker in ready:
            index = worker.given.pop(0)
            ran.append(tests[index])
            scheduler.mark_test_complete(worker, index)
    return ran


def test_the_others_begin_when_those_alone_are_done() -> None:
    tests = ALONE + OTHERS
    scheduler, workers = scheduled(tests)
    assert [bool(one.given) for one in workers] == [True, False, False]
    ran = play(scheduler, workers, tests)
    assert ran[:3] == ALONE
    assert sorted(ran) == sorted(tests)
    assert all(one.shutting_down and not one.given for one in workers)


@pytest.mark.parametrize("tests", [ALONE, OTHERS, [*ALONE, OTHERS[0]], ALONE[:1]])
def test_every_test_is_run_once_and_every_worker_ends(tests: list[str]) -> None:
    scheduler, workers = scheduled(tests)
    assert sorted(play(scheduler, workers, tests)) == sorted(tests)
    assert all(one.shutting_down and not one.given for one in workers)


def test_when_their_worker_dies_another_one_goes_on_and_the_rest_still_waits() -> None:
    tests = ALONE + OTHERS
    scheduler, workers = scheduled(tests)
    dies, *stay = workers
    scheduler.mark_test_complete(dies, dies.given.pop(0))
    assert scheduler.remove_node(dies) == ALONE[1]
    assert [tests[index] for one in stay for index in one.given][:2] == ALONE[1:]
    ran = play(scheduler, stay, tests)
    assert ran[:2] == ALONE[1:]
    assert sorted(ran) == sorted(tests[1:])
