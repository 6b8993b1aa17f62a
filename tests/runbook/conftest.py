"""A way to load a text as `config.toml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from optibid_console.runbook.load import Loaded, load
from tests.runbook.small import ENVIRON, WHOLE, Kinds

Loader = Callable[..., Loaded]


@pytest.fixture
def load_text(tmp_path: Path) -> Loader:
    """Loads a text as `config.toml`, with the environment of the small runbook."""

    def loaded(text: str | bytes, environ: Mapping[str, str] = ENVIRON) -> Loaded:
        path = tmp_path / "config.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path, environ, Kinds())

    return loaded


@pytest.fixture
def whole() -> str:
    """The small runbook's text."""
    return WHOLE
