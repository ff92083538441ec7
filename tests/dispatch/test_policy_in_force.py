"""The policy in force: reloaded without a restart, never replaced by one that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queue_watch import QueueWatch
from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.pbx.ami.message import AmiResponse

CARE = '[[rules]]\nname = "a"\nemotion = ["angry"]\nqueue = "care"\n'
QUEUES = [
    {"Event": "QueueParams", "Queue": "care"},
    {"Event": "QueueMember", "Queue": "care", "Status": "1", "Paused": "0", "Penalty": "2"},
]


class Pbx:
    """An Asterisk with the queue care and the queue rule emocx-20."""

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        if name == "QueueRule" and fields:
            return AmiResponse({"Rule": "20,1000000,0"} if fields["Rule"] == "emocx-20" else {})
        raise PeerUnavailable("no link")


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(CARE)
    return path


def watched(policies: Policies, pbx: str = "") -> QueueWatch:
    watch = QueueWatch(Pbx(), policies)
    policies.watch(pbx, watch)
    return watch


async def test_the_pbx_is_met(file: Path) -> None:
    policies = Policies(file)
    watch = watched(policies)
    await watch.met(QUEUES)
    assert policies.queues["care"].penalties == {2}
    assert watch.widening == {20}


async def test_a_queue_may_be_one_of_a_pbx_that_is_not_known_yet(file: Path) -> None:
    policies = Policies(file)
    berlin, vienna = watched(policies, "berlin"), watched(policies, "vienna")
    await berlin.met(QUEUES)
    write(file, CARE.replace("care", "sales"))
    assert policies.reload().loaded
    await vienna.met([{"Event": "QueueParams", "Queue": "kasse"}])
    assert not policies.reload().loaded
    write(file, CARE.replace("care", "kasse"))
    assert policies.reload().loaded
    policies.unwatch("vienna")
    assert not policies.reload().loaded


async def test_a_changed_file_is_taken_without_a_restart(file: Path) -> None:
    policies = Policies(file)
    await watched(policies).met(QUEUES)
    write(file, CARE + "tier = 1\ntier_wait_s = 45\n")
    done = policies.reload()
    assert done.loaded
    assert policies.policy.rules[0].tier == 1
    assert len(done.problems) == 1 and "emocx-45" in done.problems[0]


@pytest.mark.parametrize("text", ["rules = 3", CARE.replace("care", "car"), "[rank_by]\nsales = 'angry'"])
async def test_a_wrong_one_is_refused_and_the_old_one_stays(file: Path, text: str) -> None:
    policies = Policies(file)
    await watched(policies).met(QUEUES)
    before = policies.policy
    write(file, text)
    done = policies.reload()
    assert not done.loaded and done.problems
    assert policies.policy is before


async def test_without_a_link_queues_can_not_be_compared(file: Path) -> None:
    policies = Policies(file)
    write(file, CARE.replace("care", "car"))
    assert policies.reload().loaded


def test_a_wrong_file_at_the_start_is_an_error(file: Path) -> None:
    file.write_text("rules = 3")
    with pytest.raises(SettingsError):
        Policies(file)
