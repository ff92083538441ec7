"""What of [cluster] the transport needs: login, stream, and what this process is called."""

from __future__ import annotations

import re
import secrets
import socket

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.settings.settings import Settings
from emocx_pbx.wire.bus import BusLogin
from emocx_pbx.wire.stream import StreamPlan


def login_of(settings: Settings, role: str) -> BusLogin:
    """Where the servers are, and who we are."""
    cluster = settings.cluster
    files = {
        name: str(settings.resolve(path)) if (path := getattr(cluster, name)) else ""
        for name in ("tls_ca", "tls_cert", "tls_key")
    }
    return BusLogin(
        servers=cluster.servers,
        user=cluster.user,
        password=cluster.password,
        nkey_seed=cluster.nkey_seed,
        name=f"emocx-pbx {role} {node_of(settings)}",
        **files,
    )


def stream_of(settings: Settings) -> StreamPlan:
    """The stream: three times where there are three servers to keep it."""
    replicas = 3 if len(settings.cluster.servers) >= 3 else 1
    return StreamPlan(subjects.STREAM, subjects.STREAM_SUBJECTS, replicas=replicas)


def node_of(settings: Settings) -> str:
    """What this host is called in the cluster."""
    return settings.cluster.node or re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname())[:63]


def new_life(node: str) -> str:
    """Names this process, and no other."""
    return f"{node}-{secrets.token_hex(6)}"
