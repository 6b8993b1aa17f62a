"""The values of a runbook's secret names: revealed where they work, redacted elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from optibid_console.runbook.redaction import SHORTEST, Redactor, needles
from optibid_console.runbook.shell_text import REFERENCE

__all__ = ["Redactor", "Secrets"]


class _Redacted:
    """The values that are redacted, shared by the secrets of all runbooks of one window."""

    __slots__ = ("needles", "values")

    def __init__(self, values: Iterable[str]) -> None:
        self.values: tuple[str, ...] = ()
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        self.values = tuple(dict.fromkeys([*self.values, *filter(None, values)]))
        self.needles = needles(self.values)


class Secrets:
    """Knows the secret values. Its `repr` names them and never shows one."""

    __slots__ = ("_redacted", "_values")

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        self._redacted = _Redacted(self._values.values())

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def also(self, *values: str) -> None:
        """Redact these values too from now on, though no name of the runbook's stands for them."""
        self._redacted.add(values)

    def redact_together(self, other: Secrets) -> None:
        """From now on both redact the values of both; each reveals its own alone."""
        other._redacted.add(self._redacted.values)
        self._redacted = other._redacted

    def changed_from(self, before: Secrets) -> tuple[str, ...]:
        """Returns the names that both have, with another value here."""
        both = sorted(self.names & before.names)
        return tuple(name for name in both if self._values[name] != before._values[name])

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._values)

    @property
    def too_short(self) -> tuple[str, ...]:
        """Names whose values are too short to be redacted."""
        return tuple(name for name, value in self._values.items() if len(value) < SHORTEST)

    def reveal(self, text: str) -> str:
        """The text (not shell) with each `${NAME}` of a secret filled in, `$${` as `${`."""
        if "${" not in text:
            return text
        # by parts, so that what a value brings is never read as an escape
        return "${".join(
            REFERENCE.sub(lambda match: self._values.get(match[1], match[0]), part)
            for part in text.split("$${")
        )

    def reveal_all(self, value: Any) -> Any:
        """A JSON value with every text in it revealed, except `run`: see `env_for`."""
        if isinstance(value, str):
            return self.reveal(value)
        if isinstance(value, Mapping):
            return {
                key: one if key == "run" and isinstance(one, str) else self.reveal_all(one)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.reveal_all(one) for one in value]
        return value

    def env_for(self, text: str) -> dict[str, str]:
        """The environment that a command needs for the secrets that it names."""
        names = dict.fromkeys(match[1] for match in REFERENCE.finditer(text))
        return {name: self._values[name] for name in names if name in self._values}

    def redact(self, text: str) -> str:
        """The text with every secret in it as `[REDACTED]`."""
        if not self._redacted.needles:
            return text
        data = text.encode("utf-8", "surrogatepass")
        redacted = self.redact_bytes(data)
        return text if redacted == data else redacted.decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes with every secret in them as `[REDACTED]`; the same object if there is none."""
        found = self._redacted.needles
        return Redactor(found).whole(data) if found.present(data) else data

    def redactor(self) -> Redactor:
        """A new redactor for one stream of bytes."""
        return Redactor(self._redacted.needles)
