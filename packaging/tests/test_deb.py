"""The package in a bare Debian under a real systemd: installed, started, a call graded, upgraded, removed."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from conftest import ROOT, printed
from machine import Machine

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port
from emocx_pbx.lab.sip import CallPlan, SippCustomers
from emocx_pbx.store.migrate import migrations, statements

UNIT = "emocx-pbx.service"
#: A machine that is thrown away need not wait for its disk.
APT = ("apt-get", "-q", "-o", "Dpkg::Options::=--force-unsafe-io")
STORE = "/var/lib/emocx-pbx/emocx.db"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def suite(request: pytest.FixtureRequest) -> str:
    """A Debian release."""
    return str(request.param)


@pytest.fixture(scope="module")
def machine(
    suite: str, deb: Callable[[str], Path], scratch: Path, figures: Callable[[str, str], None]
) -> Iterator[Machine]:
    """A booted machine with the package installed, as apt does it."""
    package = deb(suite)
    tree = Path(printed("scripts/debian-tree.sh", suite, "systemd-sysv,dbus"))
    with Machine(tree, scratch) as machine:
        machine.put(package, "/root/emocx-pbx.deb")
        machine.run("apt-get", "-qq", "update")
        began = time.monotonic()
        said = machine.run(*APT, "install", "-y", "--no-install-recommends", "/root/emocx-pbx.deb",
                           timeout=300)  # fmt: skip
        used = machine.run("du", "-sk", "/opt/emocx-pbx").split()[0]
        figures(f"{suite} installed", f"{int(used) / 1e3:.0f} MB on disk in {time.monotonic() - began:.0f} s")
        assert "three steps are left" in said
        yield machine


def settings(machine: Machine, pbx: PrivateAsterisk, http: int, agi: int) -> None:
    """The administrator's step: secret and ports into what `init` wrote."""
    path = "/etc/emocx-pbx/emocx.toml"
    text = (machine.root / path.lstrip("/")).read_text()
    for section, values in {
        "asterisk": {"port": pbx.ami_port, "secret": f'"{pbx.secret}"'},
        "agi": {"port": agi},
        "analysis": {"base_port": 0},
        "http": {"port": http},
    }.items():
        head, _, rest = text.partition(f"[{section}]\n")
        for name, value in values.items():
            rest = re.sub(rf"(?m)^#?{name} = .*$", f"{name} = {value}", rest, count=1)
        text = f"{head}[{section}]\n{rest}"
    machine.write(path, text)
    machine.write("/etc/emocx-pbx/policy.toml", (ROOT / "emocx_pbx/lab/policy.toml").read_text())


async def ready(http: int) -> dict[str, str]:
    """Waits until the service says that it is ready; the remarks of its parts."""
    body = ""
    for _ in range(240):
        try:
            body = await asyncio.to_thread(
                lambda: urllib.request.urlopen(f"http://127.0.0.1:{http}/readyz", timeout=5).read().decode()
            )
            parts = json.loads(body)["components"]
            return {name: part["why"] for name, part in parts.items()}
        except OSError as error:
            body = str(error)
        await asyncio.sleep(0.25)
    raise AssertionError(f"not ready: {body}")


async def graded(machine: Machine, pbx: PrivateAsterisk, customer: Path, number: str) -> dict:
    """A real call by telephone through the service in the machine; its grade."""
    plan = CallPlan("route", QUERIES[0], customer=f"c-{number}", number=number)
    async with SippCustomers(pbx.sip_port, customer, [plan], hold_s=25) as customers:
        await customers.wait(60)
    for _ in range(60):
        found = machine.json("emocx-pbx", "grades", "list")
        if found["grades"]:
            return dict(found["grades"][0]["row"])
        await asyncio.sleep(0.5)
    raise AssertionError(f"no grade: {machine.run('journalctl', '-u', UNIT, '-n', '40', '--no-pager')}")


def old_database(path: Path) -> None:
    """What the first version left: a call, its grade, an event, and its delivery under way."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in statements(migrations()[0].path.read_text(encoding="utf-8")):
            connection.execute(statement)
        connection.execute("PRAGMA user_version = 1")
        at = time.time() - 3600
        connection.execute(
            "INSERT INTO call (call_id, started_at, ended_at, end_reason, queue, last_seen_at) "
            "VALUES ('old-1', ?, ?, 'hangup', 'support', ?)", (at, at + 60, at + 60)
        )  # fmt: skip
        connection.execute(
            "INSERT INTO segment VALUES ('old-1', 0, 'Ada', 'PJSIP/ada', 'support', 'queue', ?, ?, 'hangup')",
            (at, at + 60),
        )
        body = json.dumps({"score": 71.0, "letter": "C"})
        connection.execute(
            "INSERT INTO grade VALUES ('old-1', 0, 0, 'auto', ?, 'emocx-pbx', '', 71.0, 'C', 'v1', ?)",
            (at, body),
        )
        connection.execute(
            "INSERT INTO event VALUES ('evt_1', 'old-1', 'old-1', 'call.ended', 1, ?, '{}', 0)", (at,)
        )
        connection.execute(
            "INSERT INTO delivery (event_id, endpoint, stream, sequence, next_at) "
            "VALUES ('evt_1', 'crm', 'old-1', 1, ?)",
            (at,),
        )


@pytest.mark.asyncio(loop_scope="session")
async def test_from_a_bare_tree_to_a_graded_call_and_back(
    machine: Machine, suite: str, deb: Callable[[str], Path], pbx: PrivateAsterisk, customer_ul: Path
) -> None:
    # Installed: rights, user, nothing started, nothing readable that should not be.
    modes = machine.run(
        "stat", "-c", "%U:%G %a", "/etc/emocx-pbx", "/etc/emocx-pbx/emocx.toml", "/var/lib/emocx-pbx"
    )
    assert modes.split("\n")[:3] == ["root:emocx 1770", "root:emocx 640", "emocx:emocx 750"]
    assert machine.show(UNIT)["ActiveState"] == "inactive"
    assert machine.run("systemctl", "is-enabled", UNIT).strip() == "enabled"
    exposure = machine.run("systemd-analyze", "security", "--no-pager", UNIT).splitlines()[-1]
    assert float(exposure.split(": ")[1].split()[0]) < 2, exposure

    # Wrong settings: failed at once, not started for ever.
    good = (machine.root / "etc/emocx-pbx/emocx.toml").read_text()
    machine.write("/etc/emocx-pbx/emocx.toml", good + "\n[nonsense]\n")
    machine.run("systemctl", "start", UNIT, check=False)
    state = machine.show(UNIT)
    assert (state["ActiveState"], state["ExecMainStatus"], state["NRestarts"]) == ("failed", "2", "0")
    machine.write("/etc/emocx-pbx/emocx.toml", good)

    # Started: `start` returns when the doors are open, as user emocx, every part without a complaint.
    http, agi = free_port(), free_port()
    settings(machine, pbx, http, agi)
    await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{agi}")
    machine.run("systemctl", "reset-failed", UNIT)
    machine.run("systemctl", "start", UNIT)
    remarks = await ready(http)
    assert not any(remarks.values()), remarks
    state = machine.show(UNIT)
    assert machine.run("stat", "-c", "%U", f"/proc/{state['MainPID']}").strip() == "emocx"
    assert state["User"] == "emocx"
    assert state["StatusText"]

    grade = await graded(machine, pbx, customer_ul, "+491177")
    assert grade["grade"]["score"] is not None
    assert machine.run("stat", "-c", "%U %a", STORE).split() == ["emocx", "600"]

    # Backed up while it runs; reloaded; the watchdog ends one that hangs, and it starts again.
    machine.run("emocx-pbx", "backup", "/root/b.tar")
    machine.run("systemctl", "reload", UNIT)
    machine.run("mkdir", "-p", f"/etc/systemd/system/{UNIT}.d")
    lines = "[Service]\nWatchdogSec=3\nLoadCredential=EMOCX_ASTERISK_SECRET:/root/secret\n"
    machine.write(f"/etc/systemd/system/{UNIT}.d/test.conf", lines)
    # The secret as a credential only root can read, and no longer in the settings.
    machine.write("/root/secret", pbx.secret + "\n")
    machine.run("chmod", "600", "/root/secret")
    now = (machine.root / "etc/emocx-pbx/emocx.toml").read_text()
    machine.write("/etc/emocx-pbx/emocx.toml", now.replace(f'secret = "{pbx.secret}"\n', ""))
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", UNIT)
    assert not any((await ready(http)).values())
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", UNIT)
    for _ in range(120):
        if machine.show(UNIT)["NRestarts"] == "1":
            break
        await asyncio.sleep(0.25)
    await ready(http)
    assert "Watchdog timeout" in machine.run("journalctl", "-u", UNIT, "--no-pager")

    # Restored: refused while it runs, then in place.
    assert "in use; stop the service" in machine.run(
        "emocx-pbx", "restore", "/root/b.tar", "--yes", check=False
    )
    machine.run("systemctl", "stop", UNIT)
    machine.run("rm", STORE)
    machine.run("emocx-pbx", "restore", "/root/b.tar", "--yes")
    assert machine.run("stat", "-c", "%U", STORE).strip() == "emocx"
    assert machine.json("emocx-pbx", "grades", "list")["grades"][0]["row"]["call_id"] == grade["call_id"]

    # Upgraded from the first version's database: calls, grades and deliveries are kept, a copy is made.
    machine.run("rm", STORE)
    old_database(machine.root / STORE.lstrip("/"))
    machine.run("chown", "emocx:emocx", STORE)
    assert "older program" in machine.run("emocx-pbx", "calls", "list", check=False)
    machine.run("systemctl", "start", UNIT)
    await ready(http)
    machine.run(*APT, "install", "-y", "--reinstall", "/root/emocx-pbx.deb", timeout=300)
    await ready(http)
    assert machine.show(UNIT)["ActiveState"] == "active"
    with closing(sqlite3.connect(f"file:{machine.root}{STORE}?mode=ro", uri=True)) as connection:
        assert connection.execute("SELECT score FROM grade").fetchall() == [(71.0,)]
        assert connection.execute("SELECT call_id FROM call").fetchall() == [("old-1",)]
        assert connection.execute("SELECT state FROM delivery").fetchall() == [("pending",)]
    assert (machine.root / f"{STORE.lstrip('/')}.schema-1").exists()

    # Removed: stopped and forgotten by systemd, nothing lost; a purge takes the rest.
    machine.run(*APT, "remove", "-y", "emocx-pbx")
    assert machine.show(UNIT)["LoadState"] == "not-found"
    assert not (machine.root / "opt/emocx-pbx").exists()
    assert (machine.root / STORE.lstrip("/")).exists()
    machine.run(*APT, "purge", "-y", "emocx-pbx")
    assert not (machine.root / "etc/emocx-pbx").exists()
    assert not (machine.root / "var/lib/emocx-pbx").exists()
