"""A snapshot is the state, whatever the window came to."""

from __future__ import annotations

from dataclasses import fields

from optibid_console.state import WindowState


def same(one: WindowState, other: WindowState) -> None:
    for field in fields(WindowState):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if field.name == "telling":
            assert dict(before.settled) == dict(after.settled)
            assert (before.untold, before.last, before.off) == (
                after.untold, after.last, after.off,
            )  # fmt: skip
            continue
        assert type(before) is type(after)
        assert before == after, field.name
