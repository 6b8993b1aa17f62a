"""What must hold in `[tell.*]` and `[tell_templates.*]`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from optibid_console.runbook.channels import (
    ALWAYS,
    IN_BODY,
    ONLY_IN,
    Channel,
    ChannelKind,
    Event,
    Template,
)
from optibid_console.runbook.model import Runbook
from optibid_console.runbook.positions import KeyPath
from optibid_console.runbook.problems import Problems

METHODS = ("POST", "PUT", "PATCH")
_EVENTS = tuple(one.value for one in Event)
_ONLY_STATUS_PAGE = ("headers", "body", "states")


def check_channels(runbook: Runbook, problems: Problems) -> None:
    """Note every channel and template that contradicts itself or names nothing."""
    _templates(runbook.tell_templates, ("tell_templates",), problems)
    for channel in runbook.tell.values():
        path: KeyPath = ("tell", channel.id)
        _templates(channel.templates, (*path, "templates"), problems)
        if not channel.on and not problems.noted((*path, "on")):
            problems.add((*path, "on"), "is empty: nobody would be told of anything", [])
        if channel.timeout <= 0:
            problems.add((*path, "timeout"), "must be longer than 0", channel.timeout)
        for event in channel.states:
            if event not in _EVENTS:
                problems.no_such((*path, "states", event), "event", event, _EVENTS)
        _of_kind(channel, path, problems)


def check_message_facts(
    runbook: Runbook,
    used: Iterable[tuple[str, KeyPath]],
    known: Iterable[str],
    problems: Problems,
) -> None:
    """Note each fact in a template or body that its messages don't have. `known`: the window's."""
    for name, path in used:
        facts = (*_facts_at(runbook, path), *known)
        if name in facts or name.removesuffix(".at") in facts:
            continue
        if path[0] == "tell" and path[2] not in ("templates", "body"):
            message = f"${{{name}}} is a fact; it can stand in templates and in body only"
            problems.add(path, message, name)
            continue
        lacking = [event.value for event, own in ONLY_IN.items() if name in own]
        if lacking:
            message = f"only messages of {', '.join(lacking)} have ${{{name}}}"
            problems.add(path, message, name)
        elif name == "message.state" and path[2:3] == ("body",):
            channel = runbook.tell[str(path[1])]
            bare = ", ".join(one.value for one in channel.on if one not in channel.states)
            problems.add(path, f"${{{name}}} needs a state for {bare} in states", name)
        else:
            problems.no_such(path, "fact of a message", name, facts)


def is_message(path: KeyPath) -> bool:
    """Whether this key belongs to what people are told."""
    return path[0] in ("tell", "tell_templates")


def _facts_at(runbook: Runbook, path: KeyPath) -> Iterator[str]:
    """The facts that whatever is said at `path` can name."""
    if path[0] == "tell_templates":
        yield from _facts_of(path[1:2])
        return
    channel = runbook.tell.get(str(path[1]))
    if channel is None or path[2] not in ("templates", "body"):
        return
    if path[2] == "templates":
        yield from _facts_of(path[3:4])
        return
    yield from IN_BODY[:2]
    if all(event in channel.states for event in channel.on):
        yield IN_BODY[2]
    yield from _facts_of(channel.on)


def _facts_of(events: Iterable[Any]) -> Iterator[str]:
    """The facts that all of these events have."""
    yield from ALWAYS
    own = [ONLY_IN.get(event, ()) for event in events]
    yield from (name for name in (own[0] if own else ()) if all(name in one for one in own))


def _templates(tables: Mapping[str, Template], path: KeyPath, problems: Problems) -> None:
    for event in tables:
        if event not in _EVENTS:
            problems.no_such((*path, event), "event", event, _EVENTS)


def _of_kind(channel: Channel, path: KeyPath, problems: Problems) -> None:
    scheme = urlsplit(channel.url).scheme if "${" not in channel.url else "?"
    if channel.kind is ChannelKind.APPRISE:
        for key in _ONLY_STATUS_PAGE:
            if getattr(channel, key):
                problems.add((*path, key), 'only belongs to kind = "status-page"')
        if channel.method != "POST":
            problems.add((*path, "method"), 'only belongs to kind = "status-page"', channel.method)
        if channel.url and not scheme:
            message = "not an Apprise URL: SERVICE://…, as slack:// or mailtos://"
            problems.add((*path, "url"), message, channel.url)
        return
    if channel.method not in METHODS:
        problems.no_such((*path, "method"), "method", channel.method, METHODS)
    if channel.url and scheme not in ("http", "https", "?"):
        problems.add((*path, "url"), "not an http:// or https:// address", channel.url)
