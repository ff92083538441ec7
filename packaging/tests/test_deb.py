"""The package in a bare Debian under a real systemd: installed, started, a call graded, upgraded, removed."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import QUICK, ROOT, debian_tree, skip
from machine import Machine, NotBooted
from store.earlier_store import EARLIER, lost, write_earlier

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port
from emocx_pbx.lab.sip import CallPlan, SippCustomers

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
    tree = debian_tree(suite, "systemd-sysv,dbus")
    with ExitStack() as stack:
        try:
            machine = stack.enter_context(Machine(tree, scratch))
        except NotBooted as error:
            if QUICK:
                skip(str(error).splitlines()[0])
            raise
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


#: Opens databases as the service does at its start.
OPEN = """
import asyncio, sys
from emocx_pbx.store.database import Store
async def main():
    for path in sys.argv[1:]:
        await (await Store.open(path)).close()
asyncio.run(main())
"""


def upgrade_all(machine: Machine) -> None:
    """The installed program, as its user, brings a database of every earlier version to its own."""
    folder = f"{Path(STORE).parent}/earlier"
    machine.run("mkdir", folder)
    paths = {version: f"{folder}/{version}.db" for version in EARLIER}
    for version, path in paths.items():
        write_earlier(machine.root / path.lstrip("/"), version)
    machine.run("chown", "-R", "emocx:emocx", folder)
    as_user = ("setpriv", "--reuid=emocx", "--regid=emocx", "--clear-groups")
    machine.run(*as_user, "/opt/emocx-pbx/bin/python", "-c", OPEN, *paths.values())
    missing = {v: lost(machine.root / path.lstrip("/"), v) for v, path in paths.items()}
    assert not any(missing.values()), missing


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
    write_earlier(machine.root / STORE.lstrip("/"), 1)
    machine.run("chown", "emocx:emocx", STORE)
    assert "older program" in machine.run("emocx-pbx", "calls", "list", check=False)
    machine.run("systemctl", "start", UNIT)
    await ready(http)
    machine.run(*APT, "install", "-y", "--reinstall", "/root/emocx-pbx.deb", timeout=300)
    await ready(http)
    assert machine.show(UNIT)["ActiveState"] == "active"
    assert lost(machine.root / STORE.lstrip("/"), 1) == []
    assert (machine.root / f"{STORE.lstrip('/')}.schema-1").exists()
    upgrade_all(machine)

    # Removed: stopped and forgotten by systemd, nothing lost; a purge takes the rest.
    machine.run(*APT, "remove", "-y", "emocx-pbx")
    assert machine.show(UNIT)["LoadState"] == "not-found"
    assert not (machine.root / "opt/emocx-pbx").exists()
    assert (machine.root / STORE.lstrip("/")).exists()
    machine.run(*APT, "purge", "-y", "emocx-pbx")
    assert not (machine.root / "etc/emocx-pbx").exists()
    assert not (machine.root / "var/lib/emocx-pbx").exists()


def unit_by_hand() -> list[str]:
    """The lines of docs/operations.md for who has no package."""
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    return re.findall(r"^```\n(cp .*?)^```", page, re.MULTILINE | re.DOTALL)[0].splitlines()


@pytest.mark.asyncio(loop_scope="session")
async def test_the_unit_by_hand(machine: Machine, pbx: PrivateAsterisk) -> None:
    # As the README's first step leaves a machine: environment, user, state, settings.
    machine.run("dpkg-deb", "-x", "/root/emocx-pbx.deb", "/")
    machine.run("rm", "/usr/lib/systemd/system/emocx-pbx.service")
    machine.run("install", "-d", "-o", "emocx", "-g", "emocx", "-m", "750", "/var/lib/emocx-pbx")
    said = machine.run("/opt/emocx-pbx/bin/emocx-pbx", "init", "/etc/emocx-pbx")
    assert "_shipped/dialplan/emocx.conf" in said
    http = free_port()
    settings(machine, pbx, http, free_port())
    for line in unit_by_hand():
        machine.run("sh", "-euc", line)
    await ready(http)
    assert machine.run("stat", "-c", "%U", STORE).strip() == "emocx"
    # Saved from the pages, beside settings that the service can't replace.
    as_service = ("setpriv", "--reuid=emocx", "--regid=emocx", "--clear-groups", "sh", "-c")
    machine.run(
        *as_service, "touch /etc/emocx-pbx/.draft && mv /etc/emocx-pbx/.draft /etc/emocx-pbx/policy.toml"
    )
    denied = machine.run(*as_service, "rm -f /etc/emocx-pbx/emocx.toml", check=False)
    assert "Operation not permitted" in denied
    machine.run("systemctl", "disable", "--now", UNIT)
