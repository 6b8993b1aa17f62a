"""What an exception says to a person: its own sentence, never a Python class name or errno."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from probes.text import one_line

_BY_CLASS: Mapping[str, str] = {
    "TimeoutError": "no answer in time",
    "TimeoutException": "no answer in time",
    "ConnectError": "the connection could not be made",
    "ReadError": "the connection broke before the answer was complete",
    "WriteError": "the connection broke before the request was sent",
    "CloseError": "the connection could not be closed",
    "IncompleteReadError": "the connection was closed before the answer was complete",
    "EOFError": "the connection was closed before the answer was complete",
    "ConnectionResetError": "the other side reset the connection",
    "BrokenPipeError": "the other side closed the connection",
    "ConnectionAbortedError": "the connection was aborted",
    "ConnectionRefusedError": "the connection was refused",
    "CancelledError": "it was cancelled",
    "MemoryError": "there is no memory left",
    "RecursionError": "it is nested too deeply",
}
"""For exceptions without a sentence of their own, by the name of their class or of a base class."""

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def error_words(error: BaseException, limit: int = 200, *, file: bool = True) -> str:
    """Returns why `error` was raised, as one line of at most `limit` characters.

    `file`: whether the file that an `OSError` is about is named; the sentence around may do that.
    """
    if isinstance(error, BaseExceptionGroup) and error.exceptions:
        return error_words(error.exceptions[0], limit, file=file)
    if isinstance(error, OSError) and (said := _os_words(error, file)):
        return one_line(said, limit)
    if isinstance(error, KeyError):
        said = f"{error.args[0]!s} is missing" if error.args else ""
    elif isinstance(error, UnicodeError):
        said = "not valid text in its encoding"
    elif type(error).__name__ == "ConnectError":  # httpx: "All connection attempts failed"
        under = (one for one in causes(error) if isinstance(one, OSError))
        said = next(filter(None, (_os_words(one, file) for one in under)), str(error))
    elif isinstance(error, EOFError):
        said = ""  # asyncio counts the bytes that are missing
    else:
        said = str(error)
    return one_line(said, limit) or _class_words(error)


def bug_words(error: BaseException, limit: int = 300) -> str:
    """Returns one line about an exception that nothing in the console expects: its kind and its
    sentence, so that the fault isn't looked for in what the console observes."""
    kind = " ".join(_CAMEL.split(type(error).__name__)).lower()
    said = error_words(error, limit)
    what = kind if said in (kind, "") else f"{kind}: {said}"
    return one_line(f"internal error of the console ({what})", limit)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and everything that led to it, the outermost first."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(one.exceptions)
        waiting.extend((one.__cause__, one.__context__))


def _os_words(error: OSError, file: bool) -> str:
    """Returns the operating system's sentence, after the file that it is about where `file`."""
    number = error.errno
    if number is None and (found := _ERRNO.search(str(error))):  # several in one, by asyncio
        number = int(found[1])
    if number is None:
        return ""
    said = error.strerror or ""
    if not said or "Connect call failed" in said or "[Errno" in said:
        said = os.strerror(number)
    name = error.filename if file else None
    return f"{os.fsdecode(name)}: {said}" if isinstance(name, str | bytes) and name else said


def _class_words(error: BaseException) -> str:
    names = [kind.__name__ for kind in type(error).__mro__]
    known = next((_BY_CLASS[name] for name in names if name in _BY_CLASS), "")
    return known or " ".join(_CAMEL.split(names[0])).lower()
