"""Kinds by name, their cost, and the rule for missing servers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import is_dataclass

import pytest

from probes import registry


def test_asking_which_kinds_there_are_imports_no_library():
    script = (
        "import sys; from probes import registry; registry.kinds(); registry.tail_kinds();"
        "heavy = {'httpx', 'psycopg', 'websockets', 'docker', 'requests'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


@pytest.mark.parametrize("kind", ["http", "websocket", "postgres", "command"])
def test_a_kind_has_frozen_settings_with_problems(kind):
    settings = registry.settings_class(kind)
    assert is_dataclass(settings)
    assert settings.__dataclass_params__.frozen
    assert callable(settings.problems)


def test_an_unknown_kind_is_a_key_error():
    with pytest.raises(KeyError):
        registry.settings_class("gopher")
    assert set(registry.panel_sources()) <= set(registry.kinds())


class Item:
    def __init__(self, name: str) -> None:
        self.mark = pytest.mark.server(name).mark

    def iter_markers(self, name: str):
        return [self.mark] if name == "server" else []


def test_a_missing_server_is_skipped_by_name_and_fails_in_ci(monkeypatch, request):
    conftest = next(
        plugin
        for plugin in request.config.pluginmanager.get_plugins()
        if hasattr(plugin, "IS_THERE")
    )
    monkeypatch.delenv("CI", raising=False)
    conftest.pytest_runtest_setup(Item("sh"))
    with pytest.raises(pytest.skip.Exception, match="needs a real no-such-server"):
        conftest.pytest_runtest_setup(Item("no-such-server"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs a real no-such-server"):
        conftest.pytest_runtest_setup(Item("no-such-server"))
