"""Values in shell text: what real shells make of them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from optibid_console.runbook.shell_text import fill, guard, references, unescape

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]

SHOW = "printf '<%s>' "
# (a command with the value in it, what it prints around the value)
CONTEXTS = (
    (SHOW + "${V}", "<{}>"),
    (SHOW + "a${V}b", "<a{}b>"),
    (SHOW + '"${V}"', "<{}>"),
    (SHOW + '"a ${V} b"', "<a {} b>"),
    (SHOW + "'${V}'", "<{}>"),
    (SHOW + "'a ${V} b'", "<a {} b>"),
    (SHOW + "'it'\\''s ${V}'", "<it's {}>"),
    (SHOW + '"$(printf %s. ${V})"', "<{}.>"),
    (SHOW + '"$(printf %s. "${V}")"', "<{}.>"),
    (SHOW + "\"$(printf %s. '${V}')\"", "<{}.>"),
    (SHOW + '"$(printf %s. "$(printf %s. ${V})")"', "<{}..>"),
    (SHOW + '"it\'s ${V}"', "<it's {}>"),
    (SHOW + "\\'${V}\\'", "<'{}'>"),
    (SHOW + '\\"${V}', '<"{}>'),
    (SHOW + '"\\"${V}\\""', '<"{}">'),
    ('x=1; ' + SHOW + '"$x${V}"', "<1{}>"),
    ("x=${V}; " + SHOW + '"$x"', "<{}>"),
    ("x=${V}\n# it's a `comment` \"of ${V}\n" + SHOW + '"$x"', "<{}>"),
    ("if true; then " + SHOW + "${V}; fi", "<{}>"),
    ("( " + SHOW + "${V} )", "<{}>"),
    ("{ " + SHOW + "${V}; }", "<{}>"),
    ("true && ! false | true; " + SHOW + "${V}", "<{}>"),
    ("for x in ${V}; do " + SHOW + '"$x"; done', "<{}>"),
    ("case ${V} in ${V}) " + SHOW + "${V};; *) echo no;; esac", "<{}>"),
    ("case a in (b) ;; a) " + SHOW + "${V};; esac", "<{}>"),
    ("f() { " + SHOW + '"$1"; }; f ${V}', "<{}>"),
    (SHOW + '"${never:-a}" ${V}', "<a><{}>"),
    (SHOW + "$((1 + 2)) ${V}", "<3><{}>"),
    (SHOW + "`echo 1` ${V}", "<1><{}>"),
    (SHOW + "$# ${V}", "<0><{}>"),
    ("cat <<'EOF'; " + SHOW + "a\nit's \"x\nEOF\n" + SHOW + "${V}", "it's \"x\n<a><{}>"),
    ("cat <<-EOF\n\tx'\n\tEOF\n" + SHOW + "${V}", "x'\n<{}>"),
    ("sh -c 'printf \"<%s>\" \"$1\"' sh ${V}", "<{}>"),
    (SHOW + "one\\\n#${V}", "<one#{}>"),
    ("printf 2>&1 '<%s>' ${V} # '", "<{}>"),
)  # fmt: skip

VALUES = st.one_of(
    st.lists(
        st.sampled_from([*"ab \"'`$(){}[]\\\n\t;&|<>#*?~!=-%^V.é", "${V}", "$(", "\\\n"]),
        max_size=10,
    ).map("".join),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12),
)


def run(shell: str, command: str, env: dict[str, str] | None = None) -> str:
    whole = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **(env or {})}
    done = subprocess.run(
        [shell, "-c", command], capture_output=True, env=whole, timeout=20, check=False
    )
    assert done.returncode == 0, (command, done.stderr)
    assert done.stderr == b"", (command, done.stderr)
    return done.stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=VALUES)
@example(value="")
@example(value="'; touch pwned; '")
@example(value='"; touch pwned; "')
@example(value="$(touch pwned)`touch pwned`")
@example(value="\ntouch pwned\n")
@example(value="-n")
@example(value="\\")
@example(value="a\\\nb\n\n")
@example(value="* ~ ${V} $${V} $V $")
@example(value="if")
def test_a_filled_value_is_exactly_one_word_in_every_place(shell: str, value: str) -> None:
    expected = "".join(around.replace("{}", value) + "\n--\n" for _, around in CONTEXTS)
    script = "".join(f"{fill(text, {'V': value})}\nprintf '\\n--\\n'\n" for text, _ in CONTEXTS)
    assert run(shell, script) == expected


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=VALUES)
@example(value="'; touch pwned; '")
@example(value="* $(touch pwned)\n")
def test_a_guarded_secret_is_exactly_one_word_in_every_place(shell: str, value: str) -> None:
    expected = "".join(around.replace("{}", value) + "\n--\n" for _, around in CONTEXTS)
    texts = [guard(text, {"V"}) for text, _ in CONTEXTS]
    script = "".join(f"{text}\nprintf '\\n--\\n'\n" for text in texts)
    assert run(shell, script, {"V": value}) == expected


@settings(deadline=None)
@given(value=VALUES)
def test_what_a_value_brings_is_not_filled_again(value: str) -> None:
    for text, _ in CONTEXTS:
        once = fill(text, {"V": value})
        assert fill(once, {"V": "other"}) == once


def test_no_second_command_runs(tmp_path: Path) -> None:
    mark = tmp_path / "pwned"
    touch = f"touch {mark}"
    hostile = [
        f"'; {touch}; '", f'"; {touch}; "', f"$({touch})", f"`{touch}`", f"\n{touch}\n",
        f"; {touch} #", f"& {touch} &", f"| {touch}",
    ]  # fmt: skip
    for value in hostile:
        for shell in SHELLS:
            for text, _ in CONTEXTS:
                run(shell, fill(text, {"V": value}))
    assert not mark.exists()


REFUSED = (
    ("echo `ls ${V}`", "backticks"),
    ('echo "`ls ${V}`"', "backticks"),
    ("cat <<EOF\n${V}\nEOF", "here-document"),
    ("cat <<'EOF'\n${V}\nEOF", "here-document"),
    ("cat <<-EOF\n\ta ${V}\n\tEOF", "here-document"),
    ("echo $((1 + ${V}))", "arithmetic"),
    ("((x = ${V}))", "arithmetic"),
    ("echo ${x:-${V}}", "inside another"),
    ("[[ 1 -eq ${V} ]]", "bash computes it"),
    ("[[ -n x && 1 -eq ${V} ]]", "bash computes it"),
    ("let x=${V}", "bash computes it"),
    ("sh -c 'ls ${V}'", "second shell"),
    ('bash -euo pipefail -c "ls ${V}"', "second shell"),
    ('bash -c -o pipefail "ls ${V}"', "second shell"),
    ('/bin/sh 2>&1 -c "ls ${V}"', "second shell"),
    ('sh -c >log "ls ${V}"', "second shell"),
    ('sh &>log -c "ls ${V}"', "second shell"),
    ('"sh" "-c" "ls ${V}"', "second shell"),
    ("docker compose exec db sh -ec 'psql ${V}'", "second shell"),
    ("su postgres -c 'psql ${V}'", "second shell"),
    ('sh -c "$(echo ls ${V})"', "second shell"),
    ("eval ls ${V}", "second shell"),
    ("ssh host ls ${V}", "second shell"),
    ("trap 'rm ${V}' EXIT", "second shell"),
    ("echo $'it\\'s' ${V}", "not certain"),
    ("x=$(case a in a) echo ;; esac) ${V}", "not certain"),
    ('echo "${x:-\'}" ${V}', "not certain"),
    ("cat <<EOF\na \\\nEOF\n${V}", "not certain"),
    ("echo 'open ${V}", "not certain"),
    ('echo "open ${V}', "not certain"),
)


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_a_value_is_refused_where_it_cannot_be_quoted(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fill(text, {"V": "x"})
    with pytest.raises(ValueError, match=message):
        guard(text, {"V"})


def test_a_value_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        fill("ls ${V}", {"V": "a\0b"})


def test_references_are_found_and_the_shells_own_are_not() -> None:
    text = "ls ${A} '${b.c}' $D ${E:-x} $${F} \\${G} ${A} # ${H}\n`${I}`"
    assert references(text) == ("A", "b.c", "I")
    assert fill(text, {}) == text


@pytest.mark.parametrize("shell", SHELLS)
def test_an_escaped_reference_is_the_shells_own(shell: str) -> None:
    text = unescape("V=1; printf '%s ' $${V} \"$${V}\" '$${V}'")
    assert references(text) == ()
    assert run(shell, text) == "1 1 ${V} "


def test_commands_are_quoted_for_their_place() -> None:
    values = {"RELEASE": "v2.4.0", "backup.path": "a b"}
    assert fill("deploy ${RELEASE}", values) == "deploy 'v2.4.0'"
    assert fill('cp "${backup.path}" /x', values) == 'cp "a b" /x'
    assert guard("psql ${PW} \"${PW}\" '${PW}'", {"PW"}) == ('psql "${PW}" "${PW}" \'\'"${PW}"\'\'')
