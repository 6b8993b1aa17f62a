"""The demo's `config.toml`, its env file, and where their parts come from."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from optibid_console.demo.place import DATABASE, NEXT, PUBLIC_NAME, Place, Ports
from optibid_console.demo.processes import DemoError

_HERE = Path(__file__).parent
WINDOW = _HERE / "config.toml"
"""Targets, probes, phases, actions and criteria of the demo: complete but for the checklist."""
SHORT_CHECKLIST = _HERE / "checklist.toml"
OPTIBID = _HERE.parents[1] / "config.toml"
"""OptiBid's own window, where this is a checkout: its checklist is used whole."""
_SHARED = ("signoffs", "contacts", "escalation", "checklist")


def write_configuration(place: Place, ports: Ports, password: str, speed: float) -> None:
    """Write `config.toml` and `demo.env` (mode 0600) into the demo's directory.

    Raises `DemoError` when OptiBid's own config.toml can't be read.
    """
    window = WINDOW.read_text()
    people = _people(tomllib.loads(window))
    checklist = {"checklist": people.pop("checklist")}  # long: it comes last
    place.config.write_text(f"{tomli_w.dumps(people)}\n{window}\n{tomli_w.dumps(checklist)}")
    values = {
        "RELEASE": NEXT,
        "SPEED": f"{speed:g}",
        "DEMO_DIR": str(place.root),
        "BACKEND_URL": f"http://127.0.0.1:{ports.backend}",
        "MARKET_URL": f"ws://127.0.0.1:{ports.backend}/api/ws/ws/market/PJM",
        "FRONTEND_URL": f"http://127.0.0.1:{ports.frontend}",
        "STATUS_PAGE": f"127.0.0.1:{ports.status_page}",
        "PUBLIC_NAME": PUBLIC_NAME,
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(ports.postgres),
        "DB_USER": "optibid",
        "DB_NAME": DATABASE,
        "DB_PASSWORD": password,
    }
    with open(os.open(place.env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def _people(window: Mapping[str, Any]) -> dict[str, Any]:
    """What is for people: from OptiBid's own config.toml where there is one."""
    source = OPTIBID if OPTIBID.exists() else SHORT_CHECKLIST
    try:
        said = tomllib.loads(source.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DemoError(
            f"{source}: {error}; the demo takes its checklist from there. Mend it, then try again"
        ) from error
    shared = {key: said[key] for key in _SHARED if key in said}
    shared["checklist"] = [_fitted(section, window) for section in shared.get("checklist", [])]
    return shared


def _fitted(section: Mapping[str, Any], window: Mapping[str, Any]) -> dict[str, Any]:
    """A section without what only OptiBid's own window has: its phases and probes."""
    phases = {phase["id"] for phase in window["phases"]}
    fitted = {key: one for key, one in section.items() if key != "phase" or one in phases}
    fitted["items"] = [_fitted_item(item, window["probes"]) for item in section["items"]]
    return fitted


def _fitted_item(item: str | Mapping[str, Any], probes: Mapping[str, Any]) -> Any:
    if isinstance(item, str):
        return item
    return {key: one for key, one in item.items() if key != "probe" or one in probes}
