"""What this deployment doesn't use: other stacks, and services that are absent."""

from __future__ import annotations

from typing import Any

import pytest

from optibid_console.runbook.load import RunbookError
from tests.runbook.small import ENVIRON


def test_absent_services_are_left_out(whole: str, load_text: Any) -> None:
    book = load_text(whole.replace("[services.redis]", "")).runbook
    assert "cache" not in book.probes
    assert book.step("1.1a").evidence == ("health",)


STEP = '[[phases.steps]]\nid = "x"\ntitle = "X"\nkind = "wait"\nwait_for = ["cache"]\n'
LAST = "[[actions]]"


def test_a_step_of_an_absent_service_is_left_out(whole: str, load_text: Any) -> None:
    text = whole.replace(LAST, f'{STEP}service = "redis"\n{LAST}')
    assert load_text(text).runbook.step("x") is not None
    assert load_text(text.replace("[services.redis]", "")).runbook.step("x") is None


def test_a_wait_for_nothing_but_absent_services_is_refused(whole: str, load_text: Any) -> None:
    text = whole.replace(LAST, f"{STEP}{LAST}").replace("[services.redis]", "")
    with pytest.raises(RunbookError, match=r"phases\[1\].steps\[2\].wait_for: waits only for"):
        load_text(text)


def test_a_criterion_on_an_absent_service_is_refused(whole: str, load_text: Any) -> None:
    text = whole.replace("probe.health is failing", "probe.cache is failing")
    assert load_text(text)
    with pytest.raises(RunbookError, match=r"criteria\[0\].fail_when: judges the probe \"cache\""):
        load_text(text.replace("[services.redis]", ""))


NEEDS = '[services.redis]\nneeds = ["REDIS_HOST", "REDIS_PORT"]'


def test_an_optional_part_is_there_when_what_it_needs_has_values(
    whole: str, load_text: Any
) -> None:
    text = whole.replace("[services.redis]", NEEDS)
    loaded = load_text(text, {**ENVIRON, "REDIS_HOST": "http://a", "REDIS_PORT": "1"})
    assert (loaded.runbook.services, loaded.warnings) == (("redis",), ())
    for given in ({"REDIS_PORT": "1"}, {"REDIS_HOST": "", "REDIS_PORT": "1"}):
        loaded = load_text(text, {**ENVIRON, **given})
        assert "cache" not in loaded.runbook.probes
        (warning,) = loaded.warnings
        assert str(warning) == (
            "config.toml:10 services.redis: no value for ${REDIS_HOST}: nothing of it is checked, "
            "in no probe and no step"
        )
    with pytest.raises(RunbookError, match=r"redis\.needs: expected a list of names"):
        load_text(text.replace('["REDIS_HOST", "REDIS_PORT"]', '"REDIS_HOST"'))
    with pytest.raises(RunbookError, match=r"redis\.need: unknown key; keys here are needs"):
        load_text(text.replace("needs =", "need ="))


def test_a_panel_of_an_absent_part_is_left_out_and_its_criterion_is_a_person_s(
    whole: str, load_text: Any
) -> None:
    text = whole.replace("[panels.errors]", '[panels.errors]\nservice = "redis"')
    text = text.replace("probe.health is failing", "panel.errors > 0.05")
    text = text.replace('wait_for = ["health"]', 'wait_for = ["health"]\nstops = ["errors"]')
    assert load_text(text).runbook.step("2.1a").stops == ("errors",)
    without = text.replace("[services.redis]", "")
    with pytest.raises(RunbookError, match=r"judges the panel \"errors\" of a service that isn't"):
        load_text(without)
    own = without.replace("fail_when", 'service = "redis"\nfail_when')
    assert load_text(own.replace("[environment]", "[services.redis]\n[environment]")).warnings == ()
    loaded = load_text(own)
    book = loaded.runbook
    assert (book.panels, book.step("2.1a").stops) == ({}, ())
    assert [one.fail_when for one in book.criteria] == [""]
    (warning,) = loaded.warnings
    assert str(warning).endswith(
        "criteria[0].service: nothing measures it without [services.redis]: a person asserts it"
    )


def test_other_stacks_are_left_out_and_still_checked(whole: str, load_text: Any) -> None:
    text = whole.replace('id = "1.1a"', 'id = "1.1a"\nstack = ["kubernetes", "docker-compose"]')
    text = text.replace('path = "/var/log', 'stack = ["pm2"]\npath = "/var/log')
    assert load_text(text).runbook.step("1.1a") is not None
    assert "backend" not in load_text(text).runbook.tails
    with pytest.raises(RunbookError, match='no target "app-9"'):
        load_text(text.replace('on = "app-1"\nstack', 'on = "app-9"\nstack'))


def test_what_is_left_out_needs_no_values_and_no_facts(whole: str, load_text: Any) -> None:
    step = '[[phases.steps]]\nid = "k"\ntitle = "K"\nstack = ["kubernetes"]\non = "${BASTION}"\n'
    text = whole.replace(LAST, f'{step}run = "kubectl ${{CONTEXT}} ${{kube.pod}}"\n{LAST}')
    recorded = text.replace('stack = ["k', 'record = "kube.pod"\nstack = ["k')
    assert load_text(recorded).runbook.step("k") is None
    with pytest.raises(RunbookError, match="no recorded fact"):
        load_text(text)
    chosen = recorded.replace('"docker-compose"', '"kubernetes"')
    with pytest.raises(RunbookError) as caught:
        load_text(chosen)
    assert [one.message[:24] for one in caught.value.problems] == [
        "${BASTION} has no value;",
        "${CONTEXT} has no value;",
    ]


def test_an_action_with_no_step_left_is_refused(whole: str, load_text: Any) -> None:
    text = whole.replace('id = "1.1a"', 'id = "1.1a"\nstack = ["pm2"]')
    with pytest.raises(RunbookError) as caught:
        load_text(text)
    said = str(caught.value)
    assert 'actions[0].steps: has no step left for stack "docker-compose"' in said
    assert 'no step records "backup.path" on stack "docker-compose"' in said
