"""The files that administrators copy: Asterisk takes them without a complaint, and with least rights."""

from __future__ import annotations

import re

from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.conf import shipped


async def test_the_examples_load(installation: Installation) -> None:
    examples = shipped("dialplan")
    extensions = (examples / "extensions-example.conf").read_text()
    freepbx = "\n".join(
        line[2:]
        for line in extensions.splitlines()
        if re.match(r"; (\[emocx-freepbx\]|exten =>| same =>)", line)
    )
    async with PrivateAsterisk(installation) as pbx:
        already_there = extensions.replace('#include "emocx.conf"', "")
        queues = pbx.directory / "etc/queues.conf"
        queues.write_text((examples / "queues-example.conf").read_text())
        before = len(pbx.log())
        await pbx.add_dialplan(already_there + freepbx)
        await pbx.cli("queue reload all")
        for extension in ("4930123456@from-trunk", "4930123457@from-trunk", "s@emocx-freepbx"):
            assert "emocx-" in await pbx.cli(f"dialplan show {extension}")
        assert "Grace Murray" in await pbx.cli("queue show support")
        assert not [line for line in pbx.log()[before:].splitlines() if re.search("WARNING|ERROR", line)]


async def test_the_manager_user_may_do_what_is_needed_and_no_more(pbx: PrivateAsterisk) -> None:
    async with AmiProbe().connected(pbx.ami_port, "emocx", pbx.secret) as probe:
        await probe.event("FullyBooted")
        for action in ("Ping", "Status", "CoreShowChannels", "CoreStatus", "QueueStatus"):
            assert (await probe.action(Action=action))["Response"] == "Success", action
        refused = {
            "Command": {"Command": "core show version"},
            "Originate": {"Channel": "Local/s@demo-queue", "Application": "System", "Data": "true"},
            "DBPut": {"Family": "x", "Key": "y", "Val": "z"},
            "UpdateConfig": {"SrcFilename": "manager.conf", "DstFilename": "manager.conf"},
            "Reload": {},
        }
        for action, fields in refused.items():
            answer = await probe.action(Action=action, **fields)
            assert answer["Response"] == "Error", action
            assert re.search("Permission denied|Access Forbidden", answer["Message"]), (action, answer)
