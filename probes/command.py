"""A command on a target: its exit status, what it prints, and a number in it.

A command that can't be run or doesn't end in time is a broken measurement (`error`): it
says nothing about what it was to look at.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from probes.aside import judged
from probes.deadline import time_left_s, timeout_s
from probes.expectation import Finding, regex_problems, summarise
from probes.patterns import Pattern, compiled
from probes.probe import Completed, Host, HostError, ProbeError, Reading, Status
from probes.text import one_line

MAX_BYTES = 256_000


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """The settings of `kind = "command"`."""

    run: str
    """Shell text for `/bin/sh -c`. It should only look, and end by itself."""
    exit: int = 0
    """The exit status that is expected."""
    expect_stdout: str = ""
    """A regular expression that what it prints must match somewhere."""
    number: str = ""
    """A regular expression whose first group is the reading's value."""
    unit: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    """Values for the `"${NAME}"` that it uses; never in an argument list."""

    def problems(self) -> Iterator[tuple[str, str]]:
        if not self.run.strip():
            yield "run", "no command"
        wrong = regex_problems(self.expect_stdout, lines=True, most_bytes=MAX_BYTES)
        yield from (("expect_stdout", say) for say in wrong)
        bad = list(regex_problems(self.number, lines=True, captures=True, most_bytes=MAX_BYTES))
        yield from (("number", say) for say in bad)
        if self.number and not bad and _value_pattern(self.number).groups < 1:
            yield "number", f"needs a group around the number: ({self.number})"

    def patterns(self) -> Iterator[tuple[str, str, int]]:
        """Its regular expressions by key, each with the longest text that it is held against."""
        for key, pattern in (("expect_stdout", self.expect_stdout), ("number", self.number)):
            if pattern:
                yield key, pattern, MAX_BYTES


class CommandProbe:
    """Runs a short command on a host each time it is read."""

    Settings = CommandSettings

    def __init__(self, name: str, settings: CommandSettings, host: Host | None) -> None:
        self.name = name
        self._settings = settings
        self._host = host

    async def read(self) -> Reading:
        if self._host is None:
            raise ProbeError(f'probe {self.name}: a command runs on a target: give it `on = "…"`')
        at, started = time.time(), time.monotonic()
        try:
            done = await self._host.execute(
                self._settings.run,
                timeout_s=time_left_s(),
                env=self._settings.env,
                max_bytes=MAX_BYTES,
            )
        except TimeoutError as error:
            where = f"the command on {self._host.name}"
            raise ProbeError(f"{where} didn't end within {timeout_s():g} s") from error
        except HostError as error:
            raise ProbeError(one_line(str(error), 600)) from error
        took_ms = (time.monotonic() - started) * 1000
        return await judged(
            lambda: judge_command(self.name, self._settings, done, at, took_ms),
            _steps(self._settings) * len(done.stdout),
            f"the output of {len(done.stdout):,} bytes",
        )

    async def close(self) -> None:
        """Nothing is kept open."""


def _output_pattern(text: str) -> Pattern:
    return compiled(text, lines=True)


def _value_pattern(text: str) -> Pattern:
    return compiled(text, lines=True, captures=True)


def _steps(settings: CommandSettings) -> int:
    """The most work that a byte of output costs."""
    steps = _output_pattern(settings.expect_stdout).steps if settings.expect_stdout else 0
    return steps + (_value_pattern(settings.number).steps if settings.number else 0)


def judge_command(
    name: str, settings: CommandSettings, done: Completed, at: float, took_ms: float
) -> Reading:
    """What a command that ended says. Pure."""
    stdout = done.stdout.decode("utf-8", "replace")
    last = _last_line(done.stdout)
    findings = [_judge_exit(settings.exit, done)]
    if settings.expect_stdout:
        found = _output_pattern(settings.expect_stdout).search(stdout)
        wish = f"a match of /{one_line(settings.expect_stdout, 60)}/"
        status = Status.OK if found else Status.FAILING
        findings.append(Finding(status, "output", wish, f'"{last}"' if last else "empty"))
    value = None
    if settings.number and findings[0].status is Status.OK:
        value = _number(settings.number, stdout)
        if value is None:
            wish = f"a number at /{one_line(settings.number, 60)}/"
            missing = f'"{last}"' if last else "empty"
            findings.append(Finding(Status.ERROR, "output", wish, missing))
    summary = summarise(findings, last or f"exit {done.exit_status}")
    return Reading(
        name, summary.status, summary.text, at, took_ms, value, settings.unit, summary.detail
    )


def _judge_exit(expected: int, done: Completed) -> Finding:
    status = Status.OK if done.exit_status == expected else Status.FAILING
    found = str(done.exit_status) if done.exit_status >= 0 else f"by signal {-done.exit_status}"
    if status is Status.FAILING:
        said = _last_line(done.stderr) or _last_line(done.stdout)
        found += f" ({said})" if said else ""
    return Finding(status, "exit", str(expected), found)


def _number(pattern: str, text: str) -> float | None:
    found = _value_pattern(pattern).first_group(text)
    if found is None:  # no match, or a group that took no part
        return None
    try:
        return float(found)
    except ValueError:  # text that is no number
        return None


def _last_line(output: bytes) -> str:
    """The last line that says anything: where programs put what matters."""
    lines = (one_line(line, 100) for line in reversed(output[-20_000:].splitlines()))
    return next((line for line in lines if line), "")
