"""The whole rollback of the demo's story against the same commands in a shell script.

Both begin with the new release deployed and the database migrated. The script's commands are
those that the console has launched, word for word, one after the other in one shell on app-1,
without a look at what each did; in the end it waits until what R4b waits for answers.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from consoles import demo_stack, end_engine
from driven import Driven, driven
from figures import Figures

from optibid_console.commands import RunStep
from optibid_console.demo.place import HOST_NAME, PREVIOUS, PUBLIC_NAME
from optibid_console.demo.processes import MARK
from optibid_console.demo.stack import Stack
from optibid_console.engine_process import Wanted
from optibid_console.entries import Outcome, StepStarted

RATIO = 1.2
AGAIN = ("2.1b", "3.1a", "3.2a", "4.2a")
"""What deploys the new release once more."""
BACK = ("R1", "R2", "R3", "R4a")
VERIFIED = "R4b"
_UP = """
until curl -sf -H 'Host: {name}' {backend}/health | grep -q '"status": *"healthy"' &&
  curl -sf {frontend}/ | grep -q __next &&
  curl -sf -H 'Host: {name}' -H 'Content-Type: application/json' -d {login} \\
    {backend}/api/auth/login | grep -q access_token &&
  curl -sf -H 'Host: {name}' {backend}/api/market-data/latest | grep -q PJM
do sleep 0.05; done
"""


async def rollback(figures: Figures, turns: int) -> None:
    """The console's rollback and the script's in turns, on one stack."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name, demo_stack(Path(name)) as stack:
        os.environ[MARK] = str(stack.place.root)
        wanted = Wanted(stack.place.config, "OptiBid demo", "demo", journal=stack.place.journal)
        try:
            async with driven(wanted) as window:
                console, script = [], []
                for turn in range(turns + 1):
                    await window.go_on_after("4.2a")
                    console.append(await _by_console(window, stack))
                    script.append(_by_script(window, stack, turn))
        finally:
            end_engine(stack.place.journal)
            del os.environ[MARK]
    console, script = console[1:], script[1:]  # the first ones fill the caches
    figures.at_most(
        "the whole rollback of the demo, against its commands in a shell script",
        statistics.median(console) / statistics.median(script), RATIO, "times",
        console_s=round(statistics.median(console), 2),
        script_s=round(statistics.median(script), 2), turns=turns,
    )  # fmt: skip


async def _by_console(window: Driven, stack: Stack) -> float:
    """Seconds from the confirmation until the previous release was seen to work."""
    began = time.perf_counter()
    run = await window.start("rollback")
    await window.until(
        lambda: window.state.step(VERIFIED, run).outcome or window.state.actions[run].stopped_reason
    )
    took_s = time.perf_counter() - began
    if window.state.step(VERIFIED, run).outcome is not Outcome.SUCCEEDED:
        raise RuntimeError(f"the rollback stopped: {window.state.actions[run].stopped_reason}")
    await window.until(lambda: window.state.step("R5", run).run_id)
    await window.send(RunStep("R5", "told"))
    await window.until(lambda: window.state.action() is None)
    _is_back(stack)
    return took_s


def _by_script(window: Driven, stack: Stack, turn: int) -> float:
    """The same by hand, after the new release was deployed by hand."""
    commands = {
        one.fact.step_id: one.fact.command
        for one in window.entries
        if isinstance(one.fact, StepStarted)
    }
    _on_host(stack, [commands[one] for one in AGAIN], f"{turn}-forward")
    up = _UP.format(
        name=PUBLIC_NAME, backend=f"http://127.0.0.1:{stack.ports.backend}",
        frontend=f"http://127.0.0.1:{stack.ports.frontend}",
        login=shlex.quote('{"email": "test@example.com", "password": "testpass"}'),
    )  # fmt: skip
    began = time.perf_counter()
    _on_host(stack, [*(commands[one] for one in BACK), up], f"{turn}-back")
    took_s = time.perf_counter() - began
    _is_back(stack)
    return took_s


def _on_host(stack: Stack, commands: list[str], name: str) -> None:
    """Each command in a shell of its own, as runs are, one after the other. Raises."""
    script = "".join(
        f'export OPTIBID_RUN="$runs/by-hand-{name}-{number}-1/"; mkdir "$OPTIBID_RUN"\n'
        f"sh -c {shlex.quote(one)} || exit\n"
        for number, one in enumerate(commands)
    )
    head = f"export DB_PASSWORD={shlex.quote(stack.password)} runs=$(mktemp -d)\n"
    done = subprocess.run(
        ["ssh", "-F", stack.place.ssh_config, HOST_NAME, "sh -s"],
        input=head + script, text=True, check=False, capture_output=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stdout[-800:]} {done.stderr[-800:]}")


def _is_back(stack: Stack) -> None:
    release = stack.place.current.readlink().name
    if release != PREVIOUS or stack.health().get("version") != PREVIOUS:
        raise RuntimeError(f"{release} is served: {stack.health()}")
