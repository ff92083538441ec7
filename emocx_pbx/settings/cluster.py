"""The settings' section [cluster]: what several hosts share. Empty: a single host, which needs none of it."""

from __future__ import annotations

import re
from typing import Final

import msgspec

#: What a node or site may be called: it becomes a part of a NATS subject, and those have no dots.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_SCHEMES: Final = ("nats://", "tls://")


class ClusterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Several hosts together: how they reach each other (see docs/cluster.md)."""

    nats: str = ""
    """NATS servers (2.9 or newer, with JetStream), separated by commas: `nats://n1:4222,nats://n2:4222`;
    tls:// asks for TLS. Empty: a single host, and nothing below applies."""
    tls_ca: str = ""
    """File of the CA that signed the servers' certificates; empty: the system's."""
    tls_cert: str = ""
    """File of this host's own certificate, where the servers ask for one."""
    tls_key: str = ""
    """File of that certificate's private key."""
    user: str = ""
    """User to log in as; empty: by nkey, certificate, or without a login."""
    password: str = ""
    """That user's password; better given as a credential or as EMOCX_CLUSTER_PASSWORD."""
    nkey_seed: str = ""
    """Seed of an nkey (`SU...`) to log in with; better given as a credential or as
    EMOCX_CLUSTER_NKEY_SEED."""
    node: str = ""
    """Name of this host in the cluster, unique in it; empty: the host's own."""
    site: str = ""
    """Where this host is; calls are heard by workers of the same site first."""
    local: str = ""
    """Folder of the sockets through which this host's workers decide for its door while NATS is away; both
    name the same folder, such as `/run/emocx-pbx`. Empty: the dialplan's defaults apply then."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Addresses of the NATS servers; none: a single host."""
        return tuple(part.strip() for part in self.nats.split(",") if part.strip())


def cluster_problems(cluster: ClusterSettings) -> list[tuple[str, str]]:
    """Place and problem of settings that are wrong in themselves."""
    found = []
    if not all(server.startswith(_SCHEMES) for server in cluster.servers):
        found.append(
            ("cluster.nats", "expected addresses that begin with nats:// or tls://, separated by commas")
        )
    if any("@" in server for server in cluster.servers):
        found.append(("cluster.nats", "expected no login in the address: cluster.user and cluster.password"))
    if bool(cluster.tls_cert) != bool(cluster.tls_key):
        found.append(("cluster.tls_cert", "expected together with cluster.tls_key"))
    if cluster.password and not cluster.user:
        found.append(("cluster.password", "expected together with cluster.user"))
    if cluster.nkey_seed and cluster.user:
        found.append(("cluster.nkey_seed", "expected instead of cluster.user, not with it"))
    found += [
        (f"cluster.{name}", f"expected letters, digits, - and _, at most 63, got {value!r}")
        for name, value in (("node", cluster.node), ("site", cluster.site))
        if value and not _NAME.fullmatch(value)
    ]
    return found
