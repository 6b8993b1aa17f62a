"""The values of a runbook's secret names: revealed where they work, redacted elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optibid_console.runbook.redaction import SHORTEST, Redactor, needles
from optibid_console.runbook.shell_text import REFERENCE

__all__ = ["Redactor", "Secrets"]


class Secrets:
    """Knows the secret values. Its `repr` names them and never shows one."""

    __slots__ = ("_needles", "_values")

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        self._needles = needles(self._values.values())

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted(self._values))})"

    def also(self, *values: str) -> None:
        """Redact these values too from now on, though no name of the runbook's stands for them."""
        self._needles = needles([*self._values.values(), *filter(None, values)])

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
        if not self._needles:
            return text
        data = text.encode("utf-8", "surrogatepass")
        redacted = self.redact_bytes(data)
        return text if redacted == data else redacted.decode("utf-8", "surrogatepass")

    def redact_bytes(self, data: bytes) -> bytes:
        """The bytes with every secret in them as `[REDACTED]`; the same object if there is none."""
        return Redactor(self._needles).whole(data) if self._needles.present(data) else data

    def redactor(self) -> Redactor:
        """A new redactor for one stream of bytes."""
        return Redactor(self._needles)
