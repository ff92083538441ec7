"""The part of the check that needs no Asterisk: settings, policy, rubric, models, disk."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from emocx_pbx.check.finding import Finding, Level, of_pbx
from emocx_pbx.check.remote import remote_findings
from emocx_pbx.errors import EmocxError
from emocx_pbx.settings.asterisk import pbx_variables
from emocx_pbx.settings.settings import Settings, is_loopback

if TYPE_CHECKING:
    from emocx_pbx.emotion.registry import Registry

#: With less free space the database of a busy day may not fit; with a tenth of it, the next one won't.
LOW_DISK_BYTES = 1_000_000_000


def local_findings(settings: Settings) -> Iterator[Finding]:
    """Look at everything on this machine."""
    yield from _addresses(settings)
    yield from _policy(settings)
    yield from _rubric(settings)
    yield from _models(settings)
    yield _disk(settings.store_path().absolute().parent)


def _addresses(settings: Settings) -> Iterator[Finding]:
    """Addresses that are each valid but can't work together."""
    for pbx in settings.each_pbx():
        yield from (of_pbx(f, pbx.name) for f in _pbx(settings.of_pbx(pbx)))
    names = [pbx.name for pbx in settings.each_pbx()]
    with contextlib.suppress(EmocxError):  # reported with the policy
        from emocx_pbx.routing.policy import load_policy, unknown_pbxes

        for unknown in unknown_pbxes(load_policy(settings.policy_path()), names):
            yield Finding("fail", "policy", unknown, "correct the file; the service would not start with it")
    yield from warnings(settings)


def _pbx(settings: Settings) -> Iterator[Finding]:
    """The same for one PBX's section."""
    if not settings.asterisk.secret:
        variable = next(v for v, (_, name) in pbx_variables([settings.asterisk]).items() if name == "secret")
        yield Finding(
            "fail", "settings", "asterisk.secret is empty",
            f"set it, or {variable}, to the secret of the manager user",
        )  # fmt: skip
    yield from remote_findings(settings)


def warnings(settings: Settings) -> Iterator[Finding]:
    """Settings that work but are a risk; `serve` reports them, too."""
    analysis, agi, http = settings.analysis, settings.agi, settings.http
    if not is_loopback(analysis.bind):
        yield Finding(
            "warn", "settings",
            f"analysis.bind listens on {analysis.bind}: callers' audio comes there in clear",
            "let only Asterisk's address through the firewall, or use a tunnel",
        )  # fmt: skip
    if not is_loopback(agi.host):
        yield Finding(
            "warn", "settings",
            f"agi.host listens on {agi.host}: queries come there in clear, without login",
            "use a tunnel, or a firewall; addresses but Asterisk's and agi.allow are refused",
        )  # fmt: skip
    if http.open_to_this_machine:
        yield Finding(
            "warn", "settings", "http.open_to_this_machine: every process here may do everything",
            "take it out, and give programs http.api_token or tokens of the pages",
        )  # fmt: skip
    if http.plain_network:
        yield Finding(
            "warn", "settings", f"http.plain_network: passwords come to {http.host} in clear",
            "use TLS or a proxy unless the port is published on this host's loopback alone",
        )  # fmt: skip
    yield from _readable(settings)


def _readable(settings: Settings) -> Iterator[Finding]:
    """Whether everybody on the machine can read a settings file that holds secrets."""
    path = Path(settings.file) if settings.file else None
    secrets = any((*(pbx.secret for pbx in settings.each_pbx()), settings.http.api_token, settings.webhooks))
    try:
        mode = path.stat().st_mode if path else 0
    except OSError:
        return
    if secrets and mode & 0o004:
        yield Finding(
            "warn", "settings", f"{path} holds secrets and everybody on this machine can read it",
            f"chmod 640 {path}, owned by root and the group of the service's user",
        )  # fmt: skip


def _policy(settings: Settings) -> Iterator[Finding]:
    from emocx_pbx.routing.policy import load_policy

    try:
        policy = load_policy(settings.policy_path())
    except EmocxError as e:
        yield Finding("fail", "policy", str(e), "correct the file; the service would not start with it")
        return
    yield Finding(
        "ok", "policy", f"{settings.policy_path() or 'the built-in policy'}: {len(policy.rules)} rules"
    )
    if settings.routing.mode == "monitor":
        yield Finding(
            "warn", "policy", "monitor mode: decisions are recorded and not acted on",
            'set routing.mode = "active" when you trust them',
        )  # fmt: skip


def _rubric(settings: Settings) -> Iterator[Finding]:
    from emocx_pbx.grading.rubric import load_rubric

    try:
        load_rubric(settings.rubric_path())
    except EmocxError as e:
        yield Finding("fail", "rubric", str(e), "correct the file; the service would not start with it")
    else:
        yield Finding("ok", "rubric", str(settings.rubric_path() or "rubric v1"))


def _models(settings: Settings) -> Iterator[Finding]:
    """Find exactly the models that the workers would load, by checksum."""
    from emocx_pbx.emotion import voice
    from emocx_pbx.emotion.registry import Registry

    registry = Registry(settings.models_path())
    wanted = (("speech", settings.analysis.speech_model), ("text", settings.analysis.text_model))
    for kind, spec in wanted:
        if spec == "off":
            yield Finding(
                "warn", "models", f"the {kind} model is off", f"set analysis.{kind}_model to use one"
            )
            continue
        try:
            card = registry.find(kind, _speech_name(registry) if spec == "auto" else spec).card
            checked = len(card.sha256) + voice.verify_encoders(card.recipe)
        except EmocxError as e:
            yield Finding(
                "fail", "models", str(e), f"install the model again, or set analysis.{kind}_model to another"
            )
        else:
            yield Finding("ok", "models", f"{kind} model {card.title}, {checked} checksums right")


def _speech_name(registry: Registry) -> str:
    """What `auto` stands for on this machine."""
    from emocx_pbx.emotion import voice

    if voice.available() and registry.versions("speech", "voice"):
        return "voice"
    return "mlp" if registry.versions("speech", "mlp") and not registry.versions("speech", "cnn") else "cnn"


def _disk(folder: Path) -> Finding:
    """Whether there is room for the database for some time."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Finding(
            "fail", "disk", f"{folder} can't be written", "create it, owned by the user the service runs as"
        )
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free in {folder}"
    if free >= LOW_DISK_BYTES:
        return Finding("ok", "disk", text)
    level: Level = "fail" if free < LOW_DISK_BYTES / 10 else "warn"
    return Finding(level, "disk", text, "make room: without it no grade can be written")
