"""What can be wrong with an Asterisk, each made so, with the finding and the remedy that are expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MANAGER, QUEUES, DIALPLAN, PJSIP = (
    "manager reload",
    "queue reload all",
    "dialplan reload",
    "module reload res_pjsip.so",
)


@dataclass(frozen=True)
class Case:
    """One misconfiguration."""

    what: str
    """In words, for docs/doctor.md."""
    finds: str
    """Part of the finding."""
    remedy: str
    """Part of its remedy."""
    topic: str
    level: str = "fail"
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of a file of Asterisk's: a regular expression, and what takes its place."""
    cli: tuple[str, ...] = ()
    """Makes it so, after the edits."""
    undo: tuple[str, ...] = ()
    """Besides those of `cli` that reload."""
    settings: Mapping[str, object] = field(default_factory=dict)
    policy: str = ""
    tap: bool = False

    @property
    def id(self) -> str:
        return re.sub(r"\W+", "-", self.what).strip("-").lower()


def unloaded(module: str, finds: str, level: str = "fail", *, after: tuple[str, ...] = ()) -> Case:
    return Case(
        f"{module} is not loaded",
        f"{module} is not loaded: {finds}",
        f"module load {module}",
        "modules",
        level,
        cli=(f"module unload -f {module}.so",),
        undo=(f"module load {module}.so", *after),
    )


def edited(file: str, pattern: str, to: str) -> Mapping[str, tuple[str, str]]:
    return {file: (pattern, to)}


def reads(classes: str) -> Mapping[str, tuple[str, str]]:
    return edited("manager-emocx.conf", r"(?m)^read = .*$", f"read = {classes}")


def filtered(line: str) -> Mapping[str, tuple[str, str]]:
    return edited("manager-emocx.conf", r"(?m)^writetimeout = .*$", f"writetimeout = 5000\n{line}")


def a_global(name: str, value: str) -> Mapping[str, tuple[str, str]]:
    return edited(
        "extensions.conf", rf"(?m)^(\[globals\]\n(?:.*\n)*?){name} = .*$", rf"\g<1>{name} = {value}"
    )


def a_queue(queue: str, line: str) -> Mapping[str, tuple[str, str]]:
    return edited("queues.conf", rf"(?m)^\[{queue}\]\(demo\)$", f"[{queue}](demo)\n{line}")


TLS_FILES = Path(__file__).parents[1] / "data/tls"
CERTIFICATE = str(TLS_FILES / "cert.pem")


def tls_port(address: str) -> Mapping[str, tuple[str, str]]:
    """A second manager port, of TLS, with a certificate of localhost and 127.0.0.1 that signed itself."""
    lines = (
        "webenabled = no", "tlsenable = yes", f"tlsbindaddr = {address}:@TLS@",
        "tlscertfile = @DIR@/etc/cert.pem", "tlsprivatekey = @DIR@/etc/key.pem",
    )  # fmt: skip
    return edited("manager.conf", "(?m)^webenabled = no$", "\n".join(lines))


TLS_PORT = tls_port("127.0.0.1")
TIERS = '[[rules]]\nname = "r"\nqueue = "care"\nmax_penalty = 1\n'
USED = '[[rules]]\nname = "r"\nqueue = "care"\n'

CASES = (
    # The manager user.
    Case(
        "manager user without read = call",
        "no events of class call arrive",
        "add call to the read line",
        "events",
        edits=reads("system,agent,user"),
        cli=(MANAGER,),
    ),
    Case(
        "manager user without read = agent",
        "no events of class agent arrive",
        "add agent to the read line",
        "events",
        edits=reads("system,call,user"),
        cli=(MANAGER,),
    ),
    Case(
        "manager user without read = user",
        "no events of class user arrive",
        "add user to the read line",
        "events",
        "warn",
        edits=reads("system,call,agent"),
        cli=(MANAGER,),
    ),
    Case(
        "manager user without any read",
        "no events of class call arrive",
        "add call to the read line",
        "events",
        edits=reads(""),
        cli=(MANAGER,),
    ),
    Case(
        "eventfilter that hides all of a class",
        "no events of class call arrive",
        "take out the eventfilter",
        "events",
        edits=filtered("eventfilter = !Channel: .*"),
        cli=(MANAGER,),
    ),
    Case(
        "eventfilter that hides bridges",
        "hides BridgeEnter, BridgeLeave",
        "correct the eventfilter lines",
        "events",
        edits=filtered("eventfilter = !Event: Bridge"),
        cli=(MANAGER,),
    ),
    Case(
        "eventfilter that hides who answers",
        "hides AgentConnect",
        "correct the eventfilter lines",
        "events",
        edits=filtered("eventfilter = !AgentConnect"),
        cli=(MANAGER,),
    ),
    Case(
        "eventfilter (new form) that hides channels",
        "no events of class call arrive",
        "take out the eventfilter",
        "events",
        edits=filtered("eventfilter(action(exclude),name(Newchannel)) ="),
        cli=(MANAGER,),
    ),
    Case(
        "eventfilter that lets in queues alone",
        "no events of class call arrive",
        "take out the eventfilter",
        "events",
        edits=filtered("eventfilter = Event: (Queue|Agent|UserEvent)"),
        cli=(MANAGER,),
    ),
    *(
        Case(
            f"manager user without write = {right}",
            f"no right to {action}",
            f"add {right}",
            "rights",
            level,
            edits=edited("manager-emocx.conf", rf"(?m)^(write = .*?){right},?", r"\1"),
            cli=(MANAGER,),
        )
        for right, action, level in (
            ("originate", "Originate", "fail"),
            ("user", "UserEvent", "warn"),
            ("agent", "QueuePenalty", "warn"),
            ("reporting", "CoreStatus", "fail"),
        )
    ),
    Case(
        "wrong secret",
        "Authentication failed",
        "compare asterisk.username and secret",
        "asterisk",
        settings={"asterisk.secret": "wrong"},
    ),
    Case(
        "address not permitted",
        "Authentication failed",
        "permit lines",
        "asterisk",
        edits=edited("manager-emocx.conf", r"(?m)^permit = .*$", "permit = 192.0.2.1/255.255.255.255"),
        cli=(MANAGER,),
    ),
    Case(
        "manager port where nobody listens",
        "can't connect to",
        "is Asterisk running",
        "asterisk",
        settings={"asterisk.port": 1},
    ),
    Case(
        "TLS to a plain manager port", "TLS", "port without TLS", "asterisk", settings={"asterisk.tls": True}
    ),
    Case(
        "TLS with a certificate that nobody trusts",
        "certificate refused",
        "set asterisk.tls_ca",
        "asterisk",
        edits=TLS_PORT,
        cli=(MANAGER,),
        settings={"asterisk.tls": True, "asterisk.port": "@TLS@"},
    ),
    Case(
        "TLS with a certificate of another name",
        "certificate refused",
        "a name that is in the certificate",
        "asterisk",
        edits=tls_port("127.0.0.2"),
        cli=(MANAGER,),
        settings={
            "asterisk.tls": True,
            "asterisk.port": "@TLS@",
            "asterisk.tls_ca": CERTIFICATE,
            "asterisk.host": "127.0.0.2",
        },
    ),
    Case(
        "manager port of TLS without asterisk.tls",
        "no login at",
        "A port of TLS is silent",
        "asterisk",
        edits=TLS_PORT,
        cli=(MANAGER,),
        settings={"asterisk.port": "@TLS@"},
    ),
    # Modules.
    unloaded("chan_audiosocket", "calls can't be tapped"),
    unloaded("app_chanspy", "calls can't be tapped"),
    unloaded("res_agi", "no caller is asked for"),
    unloaded("app_stack", "no caller is asked for"),
    unloaded("func_timeout", "no caller is asked for"),
    unloaded("func_dialplan", "the GotoIf() before emocx-route"),
    unloaded("func_module", "the dialplan can't see"),
    unloaded("app_exec", "callers can't say what is wrong", "warn"),
    unloaded("app_audiosocket", "callers can't say what is wrong", "warn"),
    unloaded("func_uuid", "callers can't say what is wrong", "warn"),
    # The dialplan.
    Case(
        "emocx.conf not included",
        "there is no context emocx-route",
        "include dialplan/emocx.conf",
        "dialplan",
        edits=edited("extensions.conf", '#include "emocx.conf"', ""),
        cli=(DIALPLAN,),
    ),
    Case(
        "emocx.conf of an older release",
        "of an older version: 1",
        "copy dialplan/emocx.conf",
        "dialplan",
        edits=edited("emocx.conf", r"Set\(EMOCX_CONF=3\)", "NoOp()"),
        cli=(DIALPLAN,),
    ),
    Case(
        "emocx.conf of a newer release",
        "of a newer version: 9",
        "copy dialplan/emocx.conf",
        "dialplan",
        edits=edited("emocx.conf", r"EMOCX_CONF=3", "EMOCX_CONF=9"),
        cli=(DIALPLAN,),
    ),
    Case(
        "nothing calls emocx-route",
        "nothing calls emocx-route or emocx-listen",
        "ask before your Queue()",
        "dialplan",
        edits=edited("extensions.conf", r"emocx-(route|listen)", r"elsewhere"),
        cli=(DIALPLAN,),
    ),
    Case(
        "default queue that does not exist",
        "a default queue that Asterisk does not have: suport",
        "correct the argument of Gosub()",
        "dialplan",
        edits=edited("extensions.conf", r"\$\{demo_way\},s,1\(support\)", "emocx-route,s,1(suport)"),
        cli=(DIALPLAN,),
    ),
    Case(
        "EMOCX_AGI names another port",
        "the dialplan asks at 127.0.0.1:9, the service listens on port",
        "set EMOCX_AGI = 127.0.0.1:",
        "decision path",
        edits=a_global("EMOCX_AGI", "127.0.0.1:9"),
        cli=(DIALPLAN,),
    ),
    Case(
        "agi.port changed in the settings alone",
        "the service listens on port 14573",
        "set EMOCX_AGI = 127.0.0.1:14573",
        "decision path",
        settings={"agi.port": 14573},
    ),
    Case(
        "EMOCX_AGI names a host that refuses",
        "Asterisk can't connect to 127.0.0.2:",
        "set EMOCX_AGI to where the service listens",
        "decision path",
        edits=a_global("EMOCX_AGI", "127.0.0.2:@AGI@"),
        cli=(DIALPLAN,),
    ),
    Case(
        "EMOCX_GUARD that is no time",
        "EMOCX_GUARD is soon, which is no time",
        "set EMOCX_GUARD = 1.5",
        "decision path",
        cli=("dialplan set global EMOCX_GUARD soon",),
        undo=("dialplan set global EMOCX_GUARD 1.5",),
    ),
    Case(
        "EMOCX_GUARD shorter than agi.deadline_s",
        "the dialplan waits 1 s (EMOCX_GUARD)",
        "set EMOCX_GUARD to more than 1.2",
        "guard",
        cli=("dialplan set global EMOCX_GUARD 1",),
        undo=("dialplan set global EMOCX_GUARD 1.5",),
    ),
    Case(
        "EMOCX_CALLBACK_PREFIX is not set",
        "EMOCX_CALLBACK_PREFIX is not set",
        "set EMOCX_CALLBACK_PREFIX",
        "callback",
        "warn",
        edits=a_global("EMOCX_CALLBACK_PREFIX", ""),
        cli=('dialplan set global EMOCX_CALLBACK_PREFIX ""', DIALPLAN),
    ),
    Case(
        "callback channel into a context that is not there",
        "leads to context from-nowhere",
        "correct asterisk.callback_channel",
        "callback",
        settings={"asterisk.callback_channel": "Local/{number}@from-nowhere/n"},
    ),
    # Queues.
    Case(
        "member with direct_media = yes",
        "direct_media is on for agent-care-1",
        "set direct_media = no",
        "members",
        "warn",
        edits=edited(
            "pjsip.conf", r"(?m)^\[agent-care-1\]\(agent\)$", "[agent-care-1](agent)\ndirect_media = yes"
        ),
        cli=(PJSIP,),
    ),
    *(
        Case(
            f"{name} = {value} in a queue with tiers",
            f"queue care has {name} = {value}",
            f"set {name} = unavailable",
            "queues",
            edits=a_queue("care", f"{name} = {value}"),
            cli=(QUEUES,),
            policy=TIERS,
        )
        for name, value in (
            ("joinempty", "penalty"),
            ("leavewhenempty", "penalty"),
            ("joinempty", "strict"),
            ("joinempty", "no"),
            ("leavewhenempty", "yes"),
        )
    ),
    Case(
        "strategy that makes little of penalties",
        "strategy = wrandom",
        "set strategy = leastrecent",
        "queues",
        "warn",
        edits=edited("queues.conf", "strategy = leastrecent", "strategy = wrandom"),
        cli=(QUEUES,),
        policy=USED,
    ),
    Case(
        "penaltymemberslimit over the number of members",
        "ignores penalties",
        "take penaltymemberslimit out",
        "queues",
        "warn",
        edits=a_queue("care", "penaltymemberslimit = 5"),
        cli=(QUEUES,),
        policy=USED,
    ),
    Case(
        "tiers whose queue rules are not included",
        "no queue rule emocx-20",
        "queuerules-emocx.conf",
        "tiers",
        "warn",
        edits=edited("queuerules.conf", "(?m)^#include.*$", ""),
        cli=("queue reload rules",),
        policy=TIERS,
    ),
    Case(
        "tiers whose rule no Queue() gets",
        "no Queue() in the dialplan gets EMOCX_RULE",
        "give Queue() the rule",
        "tiers",
        edits=edited("extensions.conf", r",\$\{EMOCX_RULE\}", ""),
        cli=(DIALPLAN,),
        policy=TIERS,
    ),
    Case(
        "two members of one name",
        "2 members are named Ann",
        "give each a name of their own",
        "members",
        edits=edited("queues.conf", r"(?m)^(member => PJSIP/agent-care-\d,0,)[^,]*", r"\1Ann"),
        cli=(QUEUES,),
    ),
    Case(
        "policy with a queue that is not there",
        "no queue cares",
        "correct the policy",
        "queues",
        policy='[[rules]]\nname = "r"\nqueue = "cares"\n',
    ),
    Case(
        "policy with a queue that has no member",
        "queue care of the policy has no member",
        "add agents",
        "queues",
        "warn",
        edits=edited("queues.conf", r"(?m)^member => PJSIP/agent-care.*$", ""),
        cli=(QUEUES,),
        policy=USED,
    ),
    Case(
        "chat's default queue is not there",
        "chat.default_queue: Asterisk has no queue cares",
        "correct [chat]",
        "queues",
        settings={"chat.default_queue": "cares"},
    ),
    Case(
        "worker port that Asterisk can't reach",
        "Asterisk did not connect to 192.0.2.1",
        "open that port for Asterisk",
        "self-tap",
        settings={"analysis.host": "192.0.2.1"},
        tap=True,
    ),
)
