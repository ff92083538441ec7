"""The section [cluster]: addresses, logins and names that can be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import ClusterSettings, Settings, load


def test_without_the_section_there_is_one_host() -> None:
    assert Settings().cluster.servers == ()


def test_servers_are_parted_by_commas() -> None:
    cluster = ClusterSettings(nats="nats://n1:4222, tls://n2:4222")
    assert cluster.servers == ("nats://n1:4222", "tls://n2:4222")


def test_secrets_come_as_credentials(tmp_path: Path) -> None:
    (tmp_path / "EMOCX_CLUSTER_PASSWORD").write_text("hush\n")
    environ = {"EMOCX_CLUSTER_USER": "emocx", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load(None, environ).cluster.password == "hush"


@pytest.mark.parametrize(
    ("environ", "refusal"),
    [
        ({"NATS": "n1:4222"}, "cluster.nats: expected addresses that begin with nats:// or tls://"),
        ({"NATS": "nats://me:secret@n1"}, "cluster.nats: expected no login in the address"),
        ({"TLS_CERT": "/c.pem"}, "cluster.tls_cert: expected together with cluster.tls_key"),
        ({"PASSWORD": "x"}, "cluster.password: expected together with cluster.user"),
        ({"USER": "a", "NKEY_SEED": "SUA"}, "cluster.nkey_seed: expected instead of cluster.user"),
        ({"NODE": "a.b"}, "cluster.node: expected letters, digits, - and _"),
        ({"SITE": "*"}, "cluster.site: expected letters, digits, - and _"),
    ],
)
def test_what_can_not_be_meant_is_refused(environ: dict[str, str], refusal: str) -> None:
    with pytest.raises(SettingsError, match=".*" + refusal.replace("*", r"\*")) as refused:
        load(None, {f"EMOCX_CLUSTER_{name}": value for name, value in environ.items()})
    assert "secret" not in str(refused.value)
