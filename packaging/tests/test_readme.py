"""The README's way, to the letter: from a bare Debian and an Asterisk as Debian ships it to a graded call.

The blocks of "Wiring it into your Asterisk" are run as they stand, in their order. What an administrator has
already is made here: two queues, an agent's telephone, and the extension that customers reach.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import QUICK, ROOT, debian_tree, skip

from emocx_pbx.lab.asterisk import cache_directory

SIP_PORT, AGENT_PORT = 5060, 5070
#: What this administrator had before: a telephone of an agent, customers, queues.
PJSIP = f"""
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{SIP_PORT}

[customers]
type = endpoint
transport = udp
context = from-customers
disallow = all
allow = ulaw
direct_media = no

[customers]
type = identify
endpoint = customers
match = 127.0.0.1

[ada]
type = endpoint
transport = udp
context = default
disallow = all
allow = ulaw
direct_media = no
aors = ada

[ada]
type = aor
contact = sip:ada@127.0.0.1:{AGENT_PORT}
"""
QUEUES = """
[support]
member => PJSIP/ada,0,Ada

[care]
member => PJSIP/ada,0,Ada
"""


def blocks() -> list[str]:
    """The code blocks of the README's section, in their order, as one would copy them."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.split("## Wiring it into your Asterisk", 1)[1].split("\n## ", 1)[0]
    found = re.findall(r"^( *)```\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    return ["\n".join(line.removeprefix(indent) for line in block.splitlines()) for indent, block in found]


class Bare:
    """A bare Debian with Debian's Asterisk beside it, in mounts and a network of its own."""

    def __init__(self, folder: Path, python_tree: Path, asterisk_tree: Path) -> None:
        self.root = folder / "debian"
        self._pbx = self.root / "srv/asterisk"
        self._started: list[subprocess.Popen[bytes]] = []
        for name in ("debian", "upper", "work", "pbx-upper", "pbx-work"):
            (folder / name).mkdir()
        layers = f"lowerdir={python_tree},upperdir={folder}/upper,workdir={folder}/work"
        pbx = f"lowerdir={asterisk_tree},upperdir={folder}/pbx-upper,workdir={folder}/pbx-work"
        pip = cache_directory(os.environ) / "pip"
        pip.mkdir(exist_ok=True)
        script = f"""
            mount --make-rprivate /
            mount -t overlay overlay -o {layers} {self.root}
            mkdir -p {self._pbx} {self.root}/run/pip-cache {self.root}/etc/asterisk
            mount -t overlay overlay -o {pbx} {self._pbx}
            cp -a {self._pbx}/etc/asterisk/. {self.root}/etc/asterisk/
            mount --bind {self.root}/etc/asterisk {self._pbx}/etc/asterisk
            mount --bind {pip} {self.root}/run/pip-cache
            for tree in {self.root} {self._pbx}; do
                mount -t proc proc $tree/proc; mount --bind /dev $tree/dev
            done
            cp /etc/resolv.conf {self.root}/etc/resolv.conf
            ip link set lo up
            echo up; exec sleep 3600
        """
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-euc", script], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout and self._holder.stdout.readline() == "up\n"
        self.sh(f"groupadd --system --gid {self._group()} asterisk")
        wrapper = '#!/bin/sh\nexec chroot /srv/asterisk /usr/sbin/asterisk "$@"\n'
        self.write("/usr/sbin/asterisk", wrapper)
        self.sh("chmod 755 /usr/sbin/asterisk")

    def _group(self) -> str:
        return self.sh("sed -n 's/^asterisk:x:\\([0-9]*\\):.*/\\1/p' /srv/asterisk/etc/group").strip()

    def sh(self, script: str, *, network: bool = False, check: bool = True, timeout: float = 900) -> str:
        """What a shell in it prints; `network`: this machine's, for packages."""
        done = subprocess.run(
            [*self._enter(network), script], capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not (check and done.returncode), f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout if done.returncode == 0 else ""

    def start(self, script: str) -> None:
        """Begin what goes on."""
        self._started.append(subprocess.Popen([*self._enter(False), f"exec {script}"]))

    def _enter(self, network: bool) -> list[str]:
        ca = os.environ.get("EMOCX_BUILD_CA") or os.environ.get("PIP_CERT", "")
        given = {"PIP_INDEX_URL": os.environ.get("PIP_INDEX_URL", ""), "PIP_CERT": ca and "/run/build-ca.crt"}
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
                 "PIP_CACHE_DIR=/run/pip-cache", "PIP_ROOT_USER_ACTION=ignore",
                 *(f"{name}={value}" for name, value in given.items() if value)]  # fmt: skip
        spaces = ["--mount"] if network else ["--mount", "--net"]
        return ["nsenter", f"--target={self._holder.pid}", *spaces, *clean, "chroot", str(self.root),
                "sh", "-euc"]  # fmt: skip

    def here(self, script: str, **variables: str) -> str:
        """What a shell of this machine prints in that network."""
        enter = ["nsenter", f"--target={self._holder.pid}", "--net"]
        return subprocess.run(
            [*enter, "sh", "-euc", script], env={**os.environ, **variables}, capture_output=True, text=True,
            timeout=60, check=True,
        ).stdout  # fmt: skip

    def telephones(self, *words: str) -> None:
        """A call by the telephones in its network."""
        program = [sys.executable, str(Path(__file__).with_name("telephones.py")), *words]
        enter = ["nsenter", f"--target={self._holder.pid}", "--net"]
        done = subprocess.run([*enter, *program], cwd=ROOT, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, done.stderr[-2000:]

    def write(self, path: str, text: str, *, more: bool = False) -> None:
        """Write a file as its administrator, or add to it."""
        arrow = ">>" if more else ">"
        subprocess.run([*self._enter(False), f"cat {arrow} {path}"], input=text, text=True, check=True)

    def end(self) -> None:
        """Stop all of it; the mounts go with the last process."""
        for process in (*reversed(self._started), self._holder):
            process.terminate()
        for process in (*self._started, self._holder):
            process.wait(30)
        if self._holder.stdout:
            self._holder.stdout.close()


@pytest.fixture
def bare(machines: None, scratch: Path) -> Iterator[Bare]:
    """As it is before the README's first step: Asterisk runs, nothing of ours is there but the clone."""
    subprocess.run([ROOT / "scripts/install-asterisk.sh"], check=True, timeout=900)
    tree = debian_tree("trixie", "python3-venv")
    asterisk = cache_directory(os.environ) / "asterisk"
    if not asterisk.exists():
        why = "this system's own Asterisk is used, and its configuration is not Debian's as shipped"
        skip(why) if QUICK else pytest.fail(why)
    folder = scratch / "readme"
    folder.mkdir()
    found = Bare(folder, tree, asterisk)
    try:
        ca = os.environ.get("EMOCX_BUILD_CA") or os.environ.get("PIP_CERT", "")
        if ca:
            found.write("/run/build-ca.crt", Path(ca).read_text())
        clone = folder / "clone.tar"
        with clone.open("wb") as archive:
            files = subprocess.run(
                ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
            ).stdout
            words = ["tar", "-c", "--null", "-T", "-"]
            subprocess.run(words, input=files, cwd=ROOT, stdout=archive, check=True)
        shutil.copy(clone, folder / "upper/clone.tar")
        found.sh("mkdir /root/emocx-pbx && tar -x -C /root/emocx-pbx -f /clone.tar")
        yield found
    finally:
        found.end()


def until(what: Callable[[], object], deadline_s: float, why: Callable[[], str]) -> None:
    end = time.monotonic() + deadline_s
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.5)


def ask_over_http(bare: Bare) -> None:
    """The pages' examples of the API, as they stand, with the token that `init` wrote."""
    token = re.findall(r'(?m)^api_token = "(.+)"', bare.sh("cat /etc/emocx-pbx/emocx.toml"))[0]
    for page, expected in (("README.md", "decision_id"), ("docs/api.md", "calls")):
        [example] = re.findall(r"^```\n(curl .*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
        # Nobody may be called back before dialling.country says who.
        told = json.loads(bare.here(re.sub(r', "callback_number": "[^"]*"', "", example), TOKEN=token))
        assert expected in told, told


def test_the_readmes_steps_lead_to_a_graded_call(bare: Bare, figures: Callable[[str, str], None]) -> None:
    began = time.monotonic()
    install, manager, dialplan, ask, check_and_serve = blocks()
    stock = "\n[default]\n"
    assert stock in "\n" + bare.sh("cat /etc/asterisk/extensions.conf")
    bare.write("/etc/asterisk/pjsip.conf", PJSIP, more=True)
    bare.write("/etc/asterisk/queues.conf", QUEUES, more=True)
    bare.start("asterisk -f -U asterisk -G asterisk >/root/asterisk.log 2>&1")
    until(lambda: bare.sh("asterisk -rx 'core waitfullybooted'", check=False), 60, lambda: "no Asterisk")
    modules = int(re.findall(r"(\d+) modules loaded", bare.sh("asterisk -rx 'module show'"))[0])
    figures("README's Asterisk", f"{modules} modules")

    # The steps, as they stand.
    clone = "cd /root/emocx-pbx\n"
    bare.sh(clone + install, network=True)
    bare.sh(clone + manager)
    bare.sh(clone + dialplan)
    context = "\n[from-customers]\nexten => route,1,Answer()\n"
    bare.write("/etc/asterisk/extensions.conf", f"{context}{ask}\n same => n,Hangup()\n", more=True)
    bare.sh("asterisk -rx 'dialplan reload'")
    check, serve = check_and_serve.splitlines()
    found = bare.sh(f"{check} --json || true")
    report = json.loads(found)
    assert report["ok"], [f for f in report["findings"] if f["level"] == "fail"]
    print("\n".join(f"check warns: {f['what']}" for f in report["findings"] if f["level"] == "warn"))
    bare.start(f"{serve} >/root/serve.log 2>&1")
    program = check.split()[0]
    status = f"{program} status --json"
    until(lambda: bare.sh(status, check=False), 120, lambda: bare.sh("tail -30 /root/serve.log"))
    ask_over_http(bare)
    bare.telephones(str(SIP_PORT), str(AGENT_PORT), "route", "25")
    until(
        lambda: json.loads(bare.sh(f"{program} grades list --json"))["grades"],
        30,
        lambda: bare.sh("tail -30 /root/serve.log; asterisk -rx 'queue show'"),
    )
    grade = json.loads(bare.sh(f"{program} grades list --json"))["grades"][0]["row"]
    assert grade["grade"]["score"] is not None
    figures("README's way", f"graded {grade['grade']['letter']} after {time.monotonic() - began:.0f} s")
