"""Configuration of a small Asterisk: the templates beside this file, filled in.

The demo, the tests and docker/ all use it: `python3 -m emocx_pbx.lab.conf TARGET` writes it for a
container, without any other package than this one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).parent / "asterisk_conf"

_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")


@dataclass(frozen=True, slots=True)
class PbxConfig:
    """What differs between one Asterisk and another."""

    directory: str
    """Directory of this instance, as Asterisk sees it; the files go into its `etc`."""
    modules: str
    """Asterisk's module directory."""
    data: str = "/usr/share/asterisk"
    """Asterisk's data directory (documentation, sounds)."""
    ami_port: int = 5038
    sip_port: int = 5060
    agent_port: int = 5070
    """Where the agents' telephones (one sipp) answer SIP."""
    agent_host: str = "127.0.0.1"
    """Host of the agents' telephones; empty: they register with their name and `secret`."""
    bind: str = "127.0.0.1"
    """Address that SIP listens on."""
    ami_bind: str = "127.0.0.1"
    """Address that AMI listens on."""
    ami_permit: str = "127.0.0.1/255.255.255.255"
    """Who may log in by AMI."""
    customer_host: str = "127.0.0.1"
    """Where customers' SIP calls come from: an address or network; empty: `customer` registers too."""
    external: str = ""
    """Address at which telephones elsewhere reach this Asterisk, when it is behind NAT."""
    rtp_start: int = 10000
    rtp_end: int = 10100
    agi: str = "127.0.0.1:4573"
    """Where the service's FastAGI server listens."""
    secret: str = "demo-only"
    """Secret of the AMI users `emocx` and `demo`."""
    queues: tuple[str, ...] = ("support", "care", "retention", "sales")
    agents: int = 2
    """Agents of each queue: agent-<queue>-1, agent-<queue>-2, ..."""


def agent_names(config: PbxConfig, queue: str) -> list[str]:
    """PJSIP endpoints of a queue's agents."""
    return [f"agent-{queue}-{n}" for n in range(1, config.agents + 1)]


def shipped(folder: str) -> Path:
    """A folder of the checkout, or its copy inside an installed package."""
    package = Path(__file__).resolve().parent.parent
    beside = package.parent / folder
    return beside if beside.is_dir() else package / "_shipped" / folder


def _telephone(config: PbxConfig, name: str, host: str) -> str:
    """The rest of an endpoint: a fixed place, or registering with a password."""
    if host:
        contact = f"sip:{name}@{host}:{config.agent_port}"
        return f"aors = {name}\n\n[{name}]\ntype = aor\ncontact = {contact}\n"
    return (
        f"aors = {name}\nauth = {name}\n\n[{name}]\ntype = aor\nmax_contacts = 1\nremove_existing = yes\n\n"
        f"[{name}]\ntype = auth\nauth_type = userpass\nusername = {name}\npassword = {config.secret}\n"
    )


def _external(config: PbxConfig) -> str:
    if not config.external:
        return ""
    at = config.external
    return f"external_signaling_address = {at}\nexternal_media_address = {at}\n"


def _customer(config: PbxConfig) -> str:
    if not config.customer_host:
        return _telephone(config, "customer", "")
    return f"\n[customer]\ntype = identify\nendpoint = customer\nmatch = {config.customer_host}\n"


def values(config: PbxConfig) -> dict[str, str]:
    """The value of each @NAME@ in the templates."""
    agents, queues = [], []
    for queue in config.queues:
        queues.append(f"[{queue}](demo)")
        for number, name in enumerate(agent_names(config, queue), 1):
            agents.append(f"[{name}](agent)\n" + _telephone(config, name, config.agent_host))
            queues.append(f"member => PJSIP/{name},0,{queue.capitalize()} agent {number},PJSIP/{name}")
        queues.append("")
    return {
        "DIR": config.directory,
        "MODULES": config.modules,
        "DATA": config.data,
        "AMI_BIND": config.ami_bind,
        "AMI_PORT": str(config.ami_port),
        "AMI_SECRET": config.secret,
        "AMI_PERMIT": config.ami_permit,
        "AGENT_PORT": str(config.agent_port),
        "SIP_PORT": str(config.sip_port),
        "BIND": config.bind,
        "EXTERNAL": _external(config),
        "CUSTOMER": _customer(config),
        "RTP_START": str(config.rtp_start),
        "RTP_END": str(config.rtp_end),
        "AGI": config.agi,
        "PJSIP_AGENTS": "\n".join(agents),
        "QUEUES": "\n".join(queues),
    }


def fill(template: str, known: Mapping[str, str]) -> str:
    """A template with every @NAME@ replaced; an unknown name raises KeyError."""
    return _PLACEHOLDER.sub(lambda match: known[match[1]], template)


def write(config: PbxConfig, target: Path) -> None:
    """Write the configuration into `target`: templates, and the dialplan files that administrators get."""
    target.mkdir(parents=True, exist_ok=True)
    known = values(config)
    for template in sorted(TEMPLATES.glob("*.conf")):
        (target / template.name).write_text(fill(template.read_text(), known))
    dialplan = shipped("dialplan")
    for name in ("emocx.conf", "queuerules-emocx.conf"):
        (target / name).write_text((dialplan / name).read_text())
    manager = (dialplan / "manager-emocx.conf").read_text()
    manager = re.sub(r"(?m)^secret *=.*$", f"secret = {config.secret}", manager)
    manager = re.sub(r"(?m)^permit *=.*$", f"permit = {config.ami_permit}", manager)
    (target / "manager-emocx.conf").write_text(manager)


def main(arguments: list[str]) -> int:
    """`TARGET [name=value ...]`: write a container's configuration into TARGET/etc."""
    if not arguments:
        print("usage: python3 -m emocx_pbx.lab.conf DIRECTORY [name=value ...]", file=sys.stderr)
        return 2
    directory, *pairs = arguments
    given = dict(pair.split("=", 1) for pair in pairs)
    found = sorted(Path("/usr/lib").glob("*/asterisk/modules"))
    config = PbxConfig(
        directory=directory,
        modules=given.get("modules", str(found[0]) if found else "/usr/lib/asterisk/modules"),
        bind=given.get("bind", "0.0.0.0"),
        ami_permit=given.get("ami_permit", "127.0.0.1/255.255.255.255"),
        customer_host=given.get("customer_host", ""),
        agent_host=given.get("agent_host", ""),
        external=given.get("external", ""),
        agi=given.get("agi", "127.0.0.1:4573"),
        secret=given.get("secret", "demo-only"),
    )
    for name in ("db", "spool", "run", "log", "moh", "sounds"):
        (Path(directory) / name).mkdir(parents=True, exist_ok=True)
    write(config, Path(directory) / "etc")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
