"""Where a step's command starts, from its own `cwd` and its target's."""

from __future__ import annotations

import pytest

from optibid_console.runbook.model.targets import working_directory


@pytest.mark.parametrize(
    ("of_target", "of_step", "directory"),
    [
        ("", "", ""),
        ("/srv/optibid", "", "/srv/optibid"),
        ("/srv/optibid", "backend", "/srv/optibid/backend"),
        ("/srv/optibid/", "./backend", "/srv/optibid/./backend"),
        ("optibid", "backend", "optibid/backend"),
        ("/srv/optibid", "/opt", "/opt"),
        ("/srv/optibid", "~/own", "~/own"),
        ("/srv/optibid", ".", "/srv/optibid"),
        ("", ".", "."),
        ("", "backend", "backend"),
    ],
)
def test_a_relative_directory_is_relative_to_the_targets(
    of_target: str, of_step: str, directory: str
) -> None:
    assert working_directory(of_target, of_step) == directory
