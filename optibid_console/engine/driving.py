"""A command on its target: launched once, followed and asked for until its end is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import aclosing

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.operating import Operating
from optibid_console.signals import Output
from optibid_console.stop_points import reach
from optibid_console.targets.target import (
    Ending,
    Launched,
    LaunchRefused,
    LinkLost,
    OutputChunk,
    RunEnd,
    Target,
    TargetError,
)

_ASK_AGAIN_S = 1.0
_KILL_GRACE_S = 5.0
_BROKEN = "the target's disk was full: the end of the output is lost"


class Driver:
    """Sees commands through, over dropped links and engine restarts. Never launches twice."""

    def __init__(self, ledger: Ledger, targets: Mapping[str, Target], operating: Operating) -> None:
        self._ledger = ledger
        self._targets = targets
        self._operating = operating

    async def until_ended(self, live: LiveRun) -> RunEnd:
        """Launch, follow and ask until the target says how it ended.

        Raises `LaunchRefused` when it was never started.
        """
        target = self._targets[live.step.on]
        enforcer = asyncio.create_task(self._enforce(live, target))
        try:
            return await self._until_ended(live, target)
        finally:
            enforcer.cancel()

    async def _until_ended(self, live: LiveRun, target: Target) -> RunEnd:
        while True:
            if live.stop.is_set() and not live.sent:
                return RunEnd(Ending.NEVER)
            try:
                end = await (self._resumed if live.sent else self._launched)(live, target)
                if end is not None:
                    if end.output_broken:
                        self.tell(live, live.trail.notice(_BROKEN))
                    return end
            except LaunchRefused:
                raise
            except TargetError as lost:
                if not live.sent:
                    raise LaunchRefused(f"{lost}; nothing was started") from lost
                if not live.unreachable:
                    live.unreachable = True
                    await self._ledger.keep(e.RunUnreachable(live.run_id, str(lost)))
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _launched(self, live: LiveRun, target: Target) -> RunEnd | None:
        """The one launch, followed by the same session as far as that goes."""
        live.sent = True
        reach("before-launch")
        end: RunEnd | None = None
        try:
            async with aclosing(target.run(live.spec)) as events:
                async for event in events:
                    if isinstance(event, Launched):
                        reach("after-launch")
                        await self._has_it(live, attached=event.attached)
                        reach("after-launch-recorded")
                    elif isinstance(event, OutputChunk):
                        self._took(live, event)
                    else:
                        end = event
        except LinkLost as lost:
            live.sent = lost.sent or live.launched
            raise
        return end

    async def _resumed(self, live: LiveRun, target: Target) -> RunEnd | None:
        """A run that was sent before: asked for after a drop, then followed from where it was."""
        if live.unreachable:
            end = await target.ended(live.run_id)
            if end is not None and end.ending is Ending.NEVER:
                if live.launched:
                    return end
                raise LaunchRefused(f"{target.name} never got it: nothing was started")
            live.unreachable = False
            await self._has_it(live, attached=True)
        await self.read_all(live)
        return await target.ended(live.run_id)

    async def read_all(self, live: LiveRun) -> None:
        """Follow what is left of a run's output to its end. Raises `TargetError`."""
        target = self._targets[live.step.on]
        async with aclosing(target.follow(live.run_id, live.trail.received)) as chunks:
            async for chunk in chunks:
                self._took(live, chunk)

    async def read_again(self, live: LiveRun) -> None:
        """Read the output of a run whose end an earlier engine has recorded: its reports."""
        while not live.stop.is_set():
            try:
                await self.read_all(live)
            except TargetError:  # its link says so on every screen
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                self.tell(live, live.trail.end())
                return

    async def _has_it(self, live: LiveRun, *, attached: bool) -> None:
        live.launched = True
        live.answered.set()
        await self._ledger.keep(e.RunLaunched(live.run_id, attached=attached))

    def _took(self, live: LiveRun, chunk: OutputChunk) -> None:
        self.tell(live, live.trail.take(chunk))
        reach("while-following")

    def tell(self, live: LiveRun, signals: Iterator[Output]) -> None:
        """Tell the screens what a run printed, and take what its command reports."""
        for signal in signals:
            self._ledger.signal(signal)
        self._operating.reported(live)

    async def _enforce(self, live: LiveRun, target: Target) -> None:
        """End the run on its target when it is aborted or out of time, however long it takes."""
        try:
            async with asyncio.timeout(max(live.left_s(), 0.0)):
                await live.stop.wait()
        except TimeoutError:
            live.timed_out = True
            live.stop.set()
        await live.answered.wait()  # before that there is nothing to end, or nobody to ask
        while True:
            try:
                await target.cancel(live.run_id, _KILL_GRACE_S)
            except TargetError:  # its follower has said so; here it only has to come through
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                return
