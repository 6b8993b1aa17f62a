"""A command on its target: launched once, followed and asked for until its end is known."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from optibid_console import entries as e
from optibid_console.engine.ledger import Ledger
from optibid_console.engine.live_run import LiveRun
from optibid_console.engine.operating import Operating
from optibid_console.signals import Output
from optibid_console.stop_points import reach
from optibid_console.targets.following import drop
from optibid_console.targets.target import (
    Ending,
    Launched,
    LaunchRefused,
    LinkLost,
    Loss,
    Lost,
    OutputChunk,
    RunEnd,
    Target,
    TargetError,
)

_ASK_AGAIN_S = 1.0
KILL_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long a run is waited for in silence."""

    grace_s: float = 30.0
    """From when it was to end (its time limit, an abort) until its outcome is recorded."""
    quiet_s: float = 15.0
    """Without output, until the target is asked whether it has ended."""

    @property
    def answer_s(self) -> float:
        """The part of the grace in which the target may still say how the run is."""
        return self.grace_s / 6


AS_USUAL = Patience()


class Driver:
    """Sees commands through, over dropped links and engine restarts. Never launches twice."""

    def __init__(
        self,
        ledger: Ledger,
        targets: Mapping[str, Target],
        operating: Operating,
        patience: Patience | None = None,
    ) -> None:
        self._ledger = ledger
        self._targets = targets
        self._operating = operating
        self._patience = patience or AS_USUAL

    async def until_ended(self, live: LiveRun) -> RunEnd:
        """Launch, follow and ask until the target says how it ended, or until its time limit
        and the grace after it are over.

        Raises `LaunchRefused` when it was never started.
        """
        target = self._targets[live.step.on]
        enforcer = asyncio.create_task(self._enforce(live, target))
        seeing = asyncio.create_task(self._until_ended(live, target))
        overdue = asyncio.create_task(self._overdue(live))
        try:
            await asyncio.wait({seeing, overdue}, return_when=asyncio.FIRST_COMPLETED)
            if seeing.done():
                end = seeing.result()
            else:
                await drop(seeing)
                end = await self._last_answer(live, target)
            if live.ending and not live.stop.is_set():
                await asyncio.wait({enforcer, overdue}, return_when=asyncio.FIRST_COMPLETED)
                if not enforcer.done() and end.ending is Ending.SIGNALLED:
                    _time_out(live)  # its target has taken the order, and its answer was lost
        finally:
            await drop(seeing, overdue)
            enforcer.cancel()
        if end.lost is not None:
            live.lost = str(end.lost.after(live.trail.received))
            self.tell(live, live.trail.notice(live.lost))
        return end

    async def _until_ended(self, live: LiveRun, target: Target) -> RunEnd:
        while True:
            if live.stop.is_set() and not live.sent:
                return RunEnd(Ending.NEVER)
            try:
                end = await self._attempt(live, target)
                if end is not None:
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

    async def _attempt(self, live: LiveRun, target: Target) -> RunEnd | None:
        """Follow the run in one session, for as long as that session tells what there is."""
        received = live.trail.received
        following = asyncio.create_task(
            (self._resumed if live.sent else self._launched)(live, target)
        )
        asking = asyncio.create_task(self._ended_in_silence(live, target))
        try:
            await asyncio.wait({following, asking}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                return following.result()
        finally:
            await drop(following, asking)
        if live.trail.received > received or not live.stuck:
            live.stuck = live.trail.received == received
            return None  # another session gives the rest
        return _with_unread(asking.result(), live)

    async def _ended_in_silence(self, live: LiveRun, target: Target) -> RunEnd:
        """Return the run's end once its target has said it while its follower says nothing."""
        quiet_s, told = self._patience.quiet_s, False
        while True:
            received = live.trail.received
            await asyncio.sleep(quiet_s / 3 if told else quiet_s)
            if live.trail.received != received or live.unreachable or not live.answered.is_set():
                told = False
                continue
            try:
                end = await target.ended(live.run_id)
            except TargetError:
                continue  # its follower finds out, or the next question does
            if end is not None and told:
                return end
            told = end is not None

    async def _overdue(self, live: LiveRun) -> None:
        """Return when nothing is waited for any more but the target's last answer."""
        await self._to_end(live)
        await asyncio.sleep(self._patience.grace_s - self._patience.answer_s)

    async def _last_answer(self, live: LiveRun, target: Target) -> RunEnd:
        """What the target says of a run whose time and grace are over."""
        if not live.sent:
            return RunEnd(Ending.NEVER)
        try:
            async with asyncio.timeout(self._patience.answer_s):
                end = await target.ended(live.run_id)
        except (TargetError, TimeoutError):
            return RunEnd(Ending.UNANSWERED)
        if end is None:
            return RunEnd(Ending.RUNNING)
        if end.ending is Ending.NEVER and not live.launched:
            raise LaunchRefused(f"{target.name} never got it: nothing was started")
        return _with_unread(end, live)

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

    async def read_again(self, live: LiveRun) -> bool:
        """Read the output of a run whose end an earlier engine has recorded: its reports.

        False when its target gives it neither in the run's time nor in the grace after it.
        """
        try:
            async with asyncio.timeout(max(live.left_s(), 0.0) + self._patience.grace_s):
                while not live.stop.is_set():
                    try:
                        await self.read_all(live)
                    except TargetError:  # its link says so on every screen
                        await asyncio.sleep(_ASK_AGAIN_S)
                    else:
                        self.tell(live, live.trail.end())
                        break
        except TimeoutError:
            return False
        return True

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

    async def _to_end(self, live: LiveRun) -> None:
        """Return when the run has to end: it is aborted, or its time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(live.left_s(), 0.0)):
                await live.stop.wait()

    async def _enforce(self, live: LiveRun, target: Target) -> None:
        """End the run on its target when it is aborted or out of time, however long it takes.

        The target decides: a run whose command had ended by itself isn't out of time, however
        late its end is known.
        """
        await self._to_end(live)
        if not live.sent:
            _time_out(live)
        await live.answered.wait()  # before that there is nothing to end, or nobody to ask
        live.ending = True
        while True:
            try:
                if await target.cancel(live.run_id, KILL_GRACE_S):
                    _time_out(live)
            except TargetError:  # its follower has said so; here it only has to come through
                await asyncio.sleep(_ASK_AGAIN_S)
            else:
                return


def _with_unread(end: RunEnd, live: LiveRun) -> RunEnd:
    unread = end.output_bytes - live.trail.received
    if end.lost is not None or unread <= 0:
        return end
    return replace(end, lost=Lost(Loss.UNREAD, unread))


def _time_out(live: LiveRun) -> None:
    if not live.stop.is_set():
        live.timed_out = True
        live.stop.set()
