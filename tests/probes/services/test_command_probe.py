"""What a command that ended says, and what one that couldn't be run doesn't."""

from __future__ import annotations

import pytest

from probes import registry
from probes.command import CommandSettings
from probes.probe import Completed, HostError, Status, take
from tests.servers.raw import FakeHost


async def read(completed: Completed | Exception, **settings):
    host = FakeHost(completed=completed)
    made = CommandSettings(run="df /", **settings)
    return await take(registry.build("command", "disk", made, host), 3)


@pytest.mark.parametrize(
    ("done", "settings", "status", "summary", "value"),
    [
        (Completed(0, b"fine\n", b""), {}, Status.OK, "fine", None),
        (Completed(0, b"", b"noise"), {}, Status.OK, "exit 0", None),
        (
            Completed(2, b"", b"no such\nfile \x1b[31mx\n"),
            {},
            Status.FAILING,
            "exit 2 (file x), expected 0",
            None,
        ),
        (Completed(-9, b"", b""), {}, Status.FAILING, "exit by signal 9, expected 0", None),
        (Completed(1, b"absent\n", b""), {"exit": 1}, Status.OK, "absent", None),
        (
            Completed(0, b"use 41%\n\xff\xfe\n", b""),
            {"number": r"(\d+)%", "unit": "percent"},
            Status.OK,
            "\ufffd\ufffd",
            41.0,
        ),
        (
            Completed(0, b"use ?\n", b""),
            {"number": r"(\d+)%"},
            Status.ERROR,
            'output "use ?", expected a number at /(\\d+)%/',
            None,
        ),
        (
            Completed(0, b"inactive\n", b""),
            {"expect_stdout": "^active$"},
            Status.FAILING,
            'output "inactive", expected a match of /^active$/',
            None,
        ),
        (Completed(0, b"a\nactive\nb", b""), {"expect_stdout": "^active$"}, Status.OK, "b", None),
    ],
)
async def test_a_command_is_judged_by_exit_output_and_number(
    done, settings, status, summary, value
):
    reading = await read(done, **settings)
    assert (reading.status, reading.summary, reading.value) == (status, summary, value)


@pytest.mark.parametrize(
    ("trouble", "summary"),
    [
        (HostError("app-1: connection lost"), "app-1: connection lost"),
        (TimeoutError(), "the command on app-1 didn't end within 3 s"),
    ],
)
async def test_a_command_that_could_not_be_run_is_an_error(trouble, summary):
    reading = await read(trouble)
    assert (reading.status, reading.summary) == (Status.ERROR, summary)


async def test_a_command_needs_a_target_and_hands_it_its_values():
    made = CommandSettings(run='echo "${TOKEN}"', env={"TOKEN": "sesame"})
    reading = await take(registry.build("command", "disk", made, None), 3)
    assert (reading.status, "on =" in reading.summary) == (Status.ERROR, True)
    host = FakeHost(completed=Completed(0, b"", b""))
    await take(registry.build("command", "disk", made, host), 3)
    assert host.asked == [('echo "${TOKEN}"', {"TOKEN": "sesame"})]


def test_bad_settings_are_named():
    settings = CommandSettings(run=" ", expect_stdout="(", number="41")
    assert [key for key, _ in settings.problems()] == ["run", "expect_stdout", "number"]
