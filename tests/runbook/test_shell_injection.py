"""No shell text, however odd, lets a value become a command: tried in real shells."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from optibid_console.runbook.shell_text import fill, guard

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
MARK = "MARK"
PIECES = st.sampled_from(
    ["${V}", "${V}", "a", "echo ", "'", '"', "\\", "$(", ")", "(", "`", "#", " # ", "\n", " ",
     "<<E", "<<-'E' ", "\nE\n", "{ ", " }", "}", "((", "))", "$((", "case a in ", "a) ", ";;",
     " esac ", "; ", " && ", " | ", "& ", "${x:-", "$x", "$$", "$", "$'", '$"', "<<<", ">f ",
     "2>&1 ", "[[ ", " ]]", "let ", "if a; then ", "; fi", "=", "!", "\t", "1", "\\\n", "\r"]
)  # fmt: skip
DO = f":>{MARK}"
HOSTILE = st.sampled_from(
    [f"';{DO};'", f'";{DO};"', f"$({DO})", f"`{DO}`", f"\n{DO}\n", f"){DO};(", f"x\n{DO} #",
     f"'\"\n{DO}\n\"'", f"a[$({DO})]", f"\nE\n{DO}\n", f"\\\n{DO}\n", f";;esac\n{DO}\n"]
)  # fmt: skip


def runs_the_value(shell: str, text: str, directory: Path, env: dict[str, str]) -> bool:
    """Whether the shell, with no command on its path, does what the value says."""
    try:
        subprocess.run(
            [shutil.which(shell) or shell, "-c", text],
            cwd=directory, env={"PATH": "/nonexistent", **env}, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=10, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return (directory / MARK).exists()


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pieces=st.lists(PIECES, min_size=1, max_size=10), value=HOSTILE)
def test_a_value_never_becomes_a_command(shell: str, pieces: list[str], value: str) -> None:
    text = "".join(pieces)
    try:
        filled, guarded = fill(text, {"V": value}), guard(text, {"V"})
    except ValueError:
        return
    if filled == text:
        return
    with tempfile.TemporaryDirectory() as name:
        assert not runs_the_value(shell, filled, Path(name), {}), filled
        assert not runs_the_value(shell, guarded, Path(name), {"V": value}), guarded


@pytest.mark.parametrize("shell", SHELLS)
def test_the_same_values_do_become_commands_when_they_are_not_quoted(
    shell: str, tmp_path: Path
) -> None:
    assert runs_the_value(shell, f"echo '';{DO};''", tmp_path, {})
