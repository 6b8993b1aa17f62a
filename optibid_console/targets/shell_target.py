"""A target that is reached through a POSIX shell: everything but how that shell is opened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing

from optibid_console.runbook.model import TargetSpec
from optibid_console.targets.follower import follow_text
from optibid_console.targets.following import Following, Verdict
from optibid_console.targets.inspector import cancel_text, clean_text, ended_text
from optibid_console.targets.launcher import launch_text, run_text
from optibid_console.targets.shell_host import CHUNK_BYTES, ShellHost, signalled
from optibid_console.targets.shell_words import answer_in, run_name
from optibid_console.targets.streams import Splitter
from optibid_console.targets.talk import Ahead, Talk
from optibid_console.targets.target import (
    Ending,
    Launched,
    LaunchRefused,
    LinkLost,
    Loss,
    Lost,
    OutputChunk,
    RunEnd,
    RunEvent,
    RunSpec,
    TargetError,
)
from optibid_console.targets.wrapper import APART, Keeping
from probes.text import one_line

_ANSWER_TIMEOUT_S = 20.0
_CLEAN_TIMEOUT_S = 120.0

_ENDINGS = {
    "exited": Ending.EXITED,
    "gone": Ending.GONE,
    "rebooted": Ending.REBOOTED,
    "never": Ending.NEVER,
}


class ShellTarget(ShellHost):
    """Launches, follows and ends runs through texts for `/bin/sh`."""

    def __init__(self, spec: TargetSpec) -> None:
        super().__init__(spec)
        self._run_dir = spec.run_dir
        self._keeping = Keeping(spec.output_cap, spec.stderr)
        self._launched: set[str] = set()
        """Runs that were started here."""
        self._keep_days = int(spec.keep_runs // 86400)

    async def launch(self, spec: RunSpec) -> bool:
        text = self._launching(launch_text, spec)
        return self._is_new(spec.run_id, await self._ask(text, _ANSWER_TIMEOUT_S))

    async def run(self, spec: RunSpec) -> AsyncGenerator[RunEvent, None]:
        text = self._launching(run_text, spec)
        async with self._open(text) as talk:
            output = Ahead(talk.stdout)
            try:
                async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                    answer = await self._answer_on(talk, output)
            except TimeoutError:
                raise LinkLost(f"{self.name}: no answer within {_ANSWER_TIMEOUT_S:g} s") from None
            yield Launched(attached=not self._is_new(spec.run_id, answer))
            following = Following(self.name, spec.run_id, self._splitter(spec.run_id, 0))
            async with aclosing(following.chunks(talk, output)) as chunks:
                async for chunk in chunks:
                    yield chunk
            if following.end is not None:
                yield self._known(following.end)
                return
        async with aclosing(self._follow(following)) as chunks:
            async for chunk in chunks:
                yield chunk
        if following.end is not None:
            yield self._known(following.end)

    async def follow(self, run_id: str, offset: int) -> AsyncGenerator[OutputChunk, None]:
        splitter = self._splitter(run_name(run_id), offset)
        async with aclosing(self._follow(Following(self.name, run_id, splitter, offset))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _follow(self, following: Following) -> AsyncGenerator[OutputChunk, None]:
        """All that is left, in as many turns as the output has pieces."""
        while following.end is None:
            await following.pause()
            text = follow_text(self._run_dir, following.run_id, following.at)
            async with (
                self._open(text) as talk,
                aclosing(following.chunks(talk)) as chunks,
            ):
                async for chunk in chunks:
                    yield chunk

    def _launching(self, text: Callable[..., str], spec: RunSpec) -> str:
        try:
            return text(self._run_dir, spec, self._cwd, self._keeping)
        except ValueError as error:
            raise LaunchRefused(f"{self.name}: {error}") from error

    def _is_new(self, run_id: str, answer: str) -> bool:
        word, _, why = answer.partition(" ")
        if word not in ("started", "attached"):
            raise LaunchRefused(f"{self.name} refuses the launch: {one_line(why or answer, 400)}")
        if word == "started":
            self._launched.add(run_id)
        return word == "started"

    async def _answer_on(self, talk: Talk, output: Ahead) -> str:
        """The first line, which answers; what was read after it is still in `output`."""
        answer = answer_in(await output.line(CHUNK_BYTES))
        if answer:
            return answer
        said = one_line(await self._all_of(talk.stderr, CHUNK_BYTES), 200) or "nothing"
        status = await talk.exit_status()
        raise LinkLost(f"{self.name}: /bin/sh ended with {status} and said: {said}")

    def _splitter(self, run_id: str, offset: int) -> Splitter | None:
        return Splitter(run_id, offset) if self._keeping.stderr == APART else None

    async def ended(self, run_id: str) -> RunEnd | None:
        end = self._end(await self._verdict(run_name(run_id)))
        if end is not None and end.ending is Ending.NEVER and run_id in self._launched:
            return RunEnd(Ending.GONE)  # with its directory: nobody knows any more
        return end

    async def _verdict(self, run_id: str) -> Verdict:
        answer = await self._ask(ended_text(self._run_dir, run_id), _ANSWER_TIMEOUT_S)
        size, word, status, whole = self._words(answer, 4)
        return Verdict(int(size), word, int(status), whole)

    def _known(self, verdict: Verdict) -> RunEnd:
        end = self._end(verdict)
        if end is None:
            raise LinkLost(f"{self.name}: its output ended while the run goes on")
        return end

    def _end(self, verdict: Verdict) -> RunEnd | None:
        if verdict.word == "running":
            return None
        size, lost = verdict.size, _lost(verdict)
        if verdict.word != "exited":
            return RunEnd(_ENDINGS[verdict.word], output_bytes=size, lost=lost)
        exit_status, name = signalled(verdict.status)
        if name:
            return RunEnd(Ending.SIGNALLED, None, name, size, lost)
        return RunEnd(Ending.EXITED, exit_status, "", size, lost)

    async def cancel(self, run_id: str, grace_s: float) -> bool:
        text = cancel_text(self._run_dir, run_name(run_id), grace_s)
        return await self._ask(text, grace_s + _ANSWER_TIMEOUT_S) == "ended"

    async def clean(self, keep: Collection[str] = (), open_windows: Collection[str] = ()) -> int:
        text = clean_text(self._run_dir, self._keep_days, keep, open_windows)
        _, count = self._words(await self._ask(text, _CLEAN_TIMEOUT_S), 2)
        return int(count)

    async def _ask(self, text: str, timeout_s: float) -> str:
        """What the text answers. Raises `LinkLost`, also when it ends without an answer:
        what it did is then unknown. `TargetError`: it can't be run there at all.
        """
        try:
            async with asyncio.timeout(timeout_s), self._open(text) as talk:
                stdout, stderr = await asyncio.gather(
                    self._all_of(talk.stdout, CHUNK_BYTES), self._all_of(talk.stderr, CHUNK_BYTES)
                )
                status = await talk.exit_status()
        except TimeoutError:
            raise LinkLost(f"{self.name}: no answer within {timeout_s:g} s") from None
        answer = answer_in(stdout)
        if not answer:
            said = one_line(stderr or stdout, 200) or "nothing"
            raise LinkLost(f"{self.name}: /bin/sh ended with {status} and said: {said}")
        return answer

    def _words(self, answer: str, count: int) -> list[str]:
        words = answer.split()
        if len(words) != count:
            raise TargetError(f"{self.name}: expected {count} words, got: {one_line(answer)}")
        return words


def _lost(verdict: Verdict) -> Lost | None:
    why, _, size = verdict.whole.partition(":")
    if why != "whole":
        return Lost(Loss(why), int(size or 0))
    return Lost(Loss.UNREAD, verdict.unread) if verdict.unread else None
