"""From a confirmed key to the first byte of the command on its SSH host, against `ssh HOST true`.

The key's way: over the engine's socket, permitted, two entries committed, launched on the host
over the connection that the engine keeps, and the byte back to the screen. `ssh` makes a new
connection each time. Both use one OpenSSH sshd on this machine, in turns.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from asyncio.subprocess import DEVNULL
from pathlib import Path

from consoles import end_engine
from driven import Driven, driven
from figures import Figures, percentile

from optibid_console.engine_process import Wanted
from tests.servers.sshd import Keys, OpenSshServer

RATIO = 1.5
TIMES = 60

CONFIG = """
[window]
name = "bench"
version = "v1"
stack = "directory"

[targets.app-1]
kind = "ssh"
host = "127.0.0.1"
port = {port}
user = "{user}"
identity = "{identity}"
known_hosts = "{known_hosts}"
run_dir = "{folder}/runs"

[[phases]]
id = "one"
title = "One"
at = "T-5m"

[[phases.steps]]
id = "1"
title = "Look"
kind = "manual"

[[actions]]
id = "say"
title = "Say it"
key = "f6"

[[actions.steps]]
id = "S"
title = "Say it"
on = "app-1"
run = "echo first"
"""


async def key(figures: Figures) -> None:
    """Both in turns, and the 95th percentiles of each."""
    with tempfile.TemporaryDirectory(prefix="ob-") as name:
        folder = Path(name)
        keys = Keys(folder)
        sshd = OpenSshServer(keys, "SetEnv SHLVL=2")
        keys.know(sshd.port)
        spec = keys.spec(sshd.port)
        config, journal = folder / "config.toml", folder / "window.journal"
        config.write_text(
            CONFIG.format(port=spec.port, user=spec.user, identity=spec.identity,
                          known_hosts=spec.known_hosts, folder=folder)
        )  # fmt: skip
        ssh = (
            "ssh", "-F", "none", "-i", str(keys.identity), "-p", str(sshd.port),
            "-o", f"UserKnownHostsFile={keys.known_hosts}", "127.0.0.1", "true",
        )  # fmt: skip
        try:
            async with driven(Wanted(config, "bench", "bench", journal=journal)) as window:
                took = [(await _key_s(window), await _ssh_s(ssh)) for _ in range(TIMES + 1)]
        finally:
            end_engine(journal)
            sshd.stop()
    keyed, new = zip(*took[1:], strict=True)  # the first one connects
    figures.at_most(
        "confirmed key to the command's first byte over SSH, against a new `ssh HOST true`, p95",
        percentile(keyed, 95) / percentile(new, 95), RATIO, "times",
        key_ms=round(percentile(keyed, 95) * 1000, 1), ssh_ms=round(percentile(new, 95) * 1000, 1),
        key_p50_ms=round(statistics.median(keyed) * 1000, 1),
        ssh_p50_ms=round(statistics.median(new) * 1000, 1), times=TIMES,
    )  # fmt: skip


async def _key_s(window: Driven) -> float:
    began = time.perf_counter()
    run = await window.start("say")
    await window.until(lambda: window.state.step("S", run).run_id in window.output_at)
    took_s = window.output_at[window.state.step("S", run).run_id] - began
    await window.until(lambda: window.state.actions[run].outcome)
    return took_s


async def _ssh_s(command: tuple[str, ...]) -> float:
    began = time.perf_counter()
    child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stderr=DEVNULL)
    if await child.wait() != 0:
        raise RuntimeError("ssh failed")
    return time.perf_counter() - began
