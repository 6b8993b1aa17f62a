"""`[tell.*]` and `[tell_templates.*]`: read, checked, and left out where a value is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from optibid_console.runbook.channels import ChannelKind, Event, Template
from optibid_console.runbook.load import Loaded
from optibid_console.runbook.problems import RunbookError
from tests.runbook.small import ENVIRON

Loader = Callable[..., Loaded]

CHAT = '[tell.chat]\nkind = "apprise"\nurl = "${CHAT_URL}"\non = ["held"]\n'
PAGE = """\
[tell.page]
kind = "status-page"
url = "https://page.example/${PAGE_ID}"
headers = { Authorization = "OAuth ${PAGE_KEY}" }
on = ["held", "rollback-begun"]
"""
VALUES = {**ENVIRON, "CHAT_URL": "slack://aaaa/bbbb", "PAGE_ID": "p-1234", "PAGE_KEY": "k-5678"}


def test_a_channel_keeps_its_secrets_by_name(load_text: Loader, whole: str) -> None:
    loaded = load_text(f"{whole}\n{CHAT}\n{PAGE}", VALUES)
    chat, page = loaded.runbook.tell.values()
    assert (chat.kind, chat.url, chat.on) == (ChannelKind.APPRISE, "${CHAT_URL}", (Event.HELD,))
    assert page.headers == {"Authorization": "OAuth ${PAGE_KEY}"}
    assert {"CHAT_URL", "PAGE_ID", "PAGE_KEY"} <= loaded.secrets.names
    assert loaded.channels_off == {}


def test_templates_are_for_all_channels_or_for_one(load_text: Loader, whole: str) -> None:
    own = '[tell.chat.templates.held]\ntitle = "${window.version}: ${event.reason}"\n'
    shared = '[tell_templates.rollback-begun]\nbody = "from ${backup.path.at}, ${event.by}"\n'
    runbook = load_text(f"{whole}\n{CHAT}\n{own}\n{shared}", VALUES).runbook
    assert runbook.tell["chat"].templates == {"held": Template("v2.4.0: ${event.reason}")}
    assert runbook.tell_templates["rollback-begun"].body == "from ${backup.path.at}, ${event.by}"


def test_a_missing_value_is_an_error_unless_the_channel_is_optional(
    load_text: Loader, whole: str
) -> None:
    with pytest.raises(RunbookError, match=r"tell\.chat\.url: \$\{CHAT_URL\} has no value"):
        load_text(f"{whole}\n{CHAT}")
    optional = f"{whole}\n{CHAT}optional = true\n{PAGE}optional = true\n"
    loaded = load_text(optional, {**ENVIRON, "PAGE_ID": "p-1234"})
    assert loaded.channels_off == {
        "chat": "no value for ${CHAT_URL}", "page": "no value for ${PAGE_KEY}",
    }  # fmt: skip
    said = [str(one) for one in loaded.warnings if "tell." in one.key]
    line = optional[: optional.index("[tell.chat]")].count("\n") + 1
    assert said[0] == (
        f"config.toml:{line} tell.chat: no value for ${{CHAT_URL}}: "
        "nobody is told through this channel"
    )
    assert loaded.digest == load_text(optional, VALUES).digest, "a value set later changes nothing"


MISTAKES = [
    (f"{CHAT}onn = []\n", "tell.chat.onn", "unknown key"),
    (CHAT.replace('"held"', '"hold"'), "tell.chat.on[0]", "held"),
    (CHAT.replace('["held"]', "[]"), "tell.chat.on", "nobody would be told"),
    (CHAT.replace('on = ["held"]', ""), "tell.chat.on", "on is missing"),
    (CHAT.replace('"apprise"', '"apprize"'), "tell.chat.kind", "apprise"),
    (CHAT.replace('"${CHAT_URL}"', '"not a url"'), "tell.chat.url", "not an Apprise URL"),
    (f'{CHAT}timeout = "0s"\n', "tell.chat.timeout", "longer than 0"),
    (f'{CHAT}method = "PUT"\n', "tell.chat.method", 'only belongs to kind = "status-page"'),
    (f'{CHAT}body = {{ a = "b" }}\n', "tell.chat.body", 'only belongs to kind = "status-page"'),
    (f'{CHAT}title = "${{CHAT_URL}}"\n', "tell.chat.title", "is a secret"),
    (f'{CHAT}title = "${{event.by}}"\n', "tell.chat.title", "in templates and in body only"),
    (f'{PAGE}method = "GET"\n', "tell.page.method", "POST, PUT, PATCH"),
    (PAGE.replace("https:", "ftp:").replace("${PAGE_ID}", ""), "tell.page.url", "not an http"),
    (f'{PAGE}states = {{ hold = "x" }}\n', "tell.page.states.hold", "held"),
    (f'{PAGE}body = {{ a = ["${{event.bye}}"] }}\n', "tell.page.body.a[0]", "event.by"),
    (f'{PAGE}body = {{ a = "${{contact.name}}" }}\n', "tell.page.body.a", "escalation-rung"),
    (f'{PAGE}body = {{ a = "${{message.state}}" }}\nstates = {{ held = "x" }}\n',
     "tell.page.body.a", "needs a state for rollback-begun"),
    ('[tell_templates.hold]\ntitle = "x"\n', "tell_templates.hold", "held"),
    ('[tell_templates.held]\ntitel = "x"\n', "tell_templates.held.titel", "title"),
    ('[tell_templates.held]\ntitle = "${contact.name}"\n', "tell_templates.held.title",
     "only messages of escalation-rung have"),
    ('[tell_templates.held]\nbody = "${DB_PASSWORD}"\n', "tell_templates.held.body", "is a secret"),
    ('[tell_templates.held]\nbody = "${message.title}"\n', "tell_templates.held.body",
     "no fact of a message"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "said"), MISTAKES)
def test_each_mistake_is_named_with_its_key_and_line(
    load_text: Loader, whole: str, text: str, key: str, said: str
) -> None:
    with pytest.raises(RunbookError) as caught:
        load_text(f"{whole}\n{text}", VALUES)
    found = [one for one in caught.value.problems if one.key == key]
    assert found, [str(one) for one in caught.value.problems]
    assert said in str(found[0])
    assert found[0].line > whole.count("\n")


def test_a_rung_s_template_has_the_contact(load_text: Loader, whole: str) -> None:
    rung = (
        '[tell_templates.escalation-rung]\nbody = "${contact.name} ${contact.phone} ${rung.after}"'
    )
    assert "escalation-rung" in load_text(f"{whole}\n{rung}\n").runbook.tell_templates
