"""SIGHUP on a whole controller whose Asterisk is away: both files or neither, and it is said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.dispatch.asked import Caller
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.controller import Service
from emocx_pbx.settings.settings import Settings, load
from emocx_pbx.store.database import Store

FILE = """
[store]
path = "emocx.db"
[routing]
policy = "policy.toml"
"""
POLICY = 'default_queue = "support"\n'
HOOK = f'[[webhooks]]\nname = "crm"\nurl = "https://crm.example/"\nsecret = "whsec_{"A" * 32}"\n'


class Installation:
    """A folder with settings and a policy, and the controller that runs by them."""

    def __init__(self, folder: Path) -> None:
        self.file, self.policy = folder / "emocx.toml", folder / "policy.toml"
        self.file.write_text(FILE)
        self.policy.write_text(POLICY)
        self.service: Service

    def read(self) -> Settings:
        return load(self.file, {})

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def reload(self) -> bool:
        return self.service.reloading.everything(self.read)

    def remark(self) -> str:
        component = self.service.health.components()["settings"]
        assert component.up  # a file that is refused stops no call
        return component.why


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    here = Installation(tmp_path)
    settings, metrics = here.read(), Metrics()
    store = await Store.open(settings.store_path(), settings.webhooks)
    async with Tasks(metrics.count) as tasks:
        here.service = Service(settings, store, tasks, metrics)
        yield here
    await store.close()


async def test_mode_and_holdout_hold_for_the_next_query(here: Installation) -> None:
    asked = Caller(customer_key="c1")
    assert (await here.service.queries.by_text("", asked)).status != "monitor"
    here.write(FILE + 'mode = "monitor"\nholdout = 0.5\n')
    assert here.reload() and here.remark() == ""
    assert (await here.service.queries.by_text("", asked)).status == "monitor"
    assert here.service.pbxes.by_name[""].penalties.ranked() == ()


async def test_receivers_come_and_go(here: Installation) -> None:
    observed: list[bool] = []
    receivers = here.service.store.receivers
    receivers.changes.subscribe(lambda: observed.append(True))
    here.write(FILE + HOOK)
    assert here.reload()
    assert [receiver.name for receiver in receivers.current()] == ["crm"]
    here.write(FILE)
    assert here.reload()
    assert receivers.current() == () and observed == [True, True]


async def test_privacy_holds_for_calls_under_way(here: Installation) -> None:
    call = CallState("1.1", here.service.journeys._rules)
    assert not call.rules.keep_text()
    here.write(FILE + "[privacy]\nstore_query_text = true\n")
    assert here.reload() and call.rules.keep_text()
    here.write(FILE)
    assert here.reload() and not call.rules.keep_text()


async def test_another_policy_file_decides(here: Installation) -> None:
    here.policy.with_name("other.toml").write_text('default_queue = "sales"\n')
    here.write(FILE.replace("policy.toml", "other.toml"))
    assert here.reload()
    assert here.service.policies.policy.default_queue == "sales"
    assert here.service.reloading.policy().loaded  # the pages' reload reads the new file, too
    assert here.service.policies.policy.default_queue == "sales"


@pytest.mark.parametrize(
    ("settings", "policy", "said"),
    [
        (FILE + 'mode = "passive"\n', POLICY, "mode"),
        (FILE + "mood = 1\n", POLICY, "mood"),
        ("[store\n", POLICY, "emocx.toml"),
        (FILE + 'mode = "monitor"\n' + HOOK, "rules = 3", "rules"),
        (FILE.replace("policy.toml", "gone.toml") + HOOK, POLICY, "gone.toml"),
        (FILE + HOOK + HOOK, POLICY, "webhooks[1].name"),
    ],
)
async def test_what_is_wrong_changes_nothing(
    here: Installation, settings: str, policy: str, said: str
) -> None:
    before, in_force = here.service.settings, here.service.policies.policy
    here.write(settings)
    here.policy.write_text(policy)
    assert not here.reload()
    assert here.service.settings is before and here.service.policies.policy is in_force
    assert here.service.store.receivers.current() == ()
    assert here.remark().startswith("the last reload was refused: ") and said in here.remark()
    assert here.service.metrics.value("reloads", "refused") == 1
    here.write(FILE)
    here.policy.write_text(POLICY)
    assert here.reload() and here.remark() == ""


async def test_what_needs_a_restart_is_said_until_then(here: Installation) -> None:
    here.write(FILE + "holdout = 0.2\n[http]\nport = 9999\n")
    for _ in range(2):
        assert here.reload()
        assert here.remark() == "a restart is needed for http.port"
    assert here.service.settings.http.port != 9999
    assert here.service.settings.routing.holdout == 0.2


async def test_a_settings_file_that_is_gone_changes_nothing(here: Installation) -> None:
    here.file.unlink()
    assert not here.reload() and "emocx.toml" in here.remark()
