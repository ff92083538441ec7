"""The OpenAPI 3.1 document, made of the table of endpoints and of the types that they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec import inspect as mi

from emocx_pbx.settings.docstrings import field_docs
from emocx_pbx.web.identity.access import Access, access_of_handler
from emocx_pbx.web.v1.shapes_in import EARLIER
from emocx_pbx.web.v1.table import PROBLEM, TEXT, Answer, Endpoint

ABOUT: Final = (
    "Calls, signals in customers' speech, grades and routing beside your own Asterisk. All signals are of "
    "speech or text, not of what a person feels. Times are Unix seconds (UTC)."
)
#: What the request headers of ours may hold: visible ASCII.
_VISIBLE: Final = "^[!-~]{1,255}$"
#: Refusals that every endpoint may give, and some that only some do.
REASONS: Final[Mapping[int, str]] = {
    400: "Not well-formed: a body that is not JSON, or (told as plain text) too long an address.",
    401: "No valid token, and no session.",
    403: "The token lacks the scope, or the user the role.",
    404: "There is no such thing, or it is not yours to see.",
    408: "The body did not come in time.",
    409: "The Idempotency-Key was used for another request, or that is still being worked on.",
    411: "Without a token or session a body needs Content-Length.",
    413: "The body is too large.",
    415: "The body is of a kind, charset or encoding that is not taken.",
    416: "The range is not in it.",
    422: "Well-formed, but a parameter or field does not fit.",
    429: "Too many requests; come again after Retry-After seconds.",
    500: "An error of the service itself; its log says more.",
    502: "Asterisk refused it.",
    503: "Something that this needs is not available now.",
}
#: Given by all endpoints: what every request passes before its handler refuses by these, and so does a
#: store or controller that can't answer now.
EVERY: Final = frozenset({400, 408, 411, 413, 415, 429, 500, 503})
#: Given by all that ask who is there.
COMMON: Final = frozenset({401, 403})
_PARAMETER: Final = re.compile(r"\{(\w+)\}")
_REF: Final = "#/components/schemas/{name}"


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused (RFC 9457)."""

    type: str
    """about:blank: the status says what kind of problem it is."""
    title: str
    status: int
    detail: str
    """One line: what, and where."""


def document(endpoints: Sequence[Endpoint], server: str = "/") -> dict[str, Any]:
    """The whole document."""
    schemas, refs = _schemas(endpoints)
    _spell_patterns(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schemas, refs)
    for endpoint in endpoints:
        if endpoint.query is not None:
            schemas.pop(endpoint.query.__name__, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "EmoCX PBX",
            "version": version("emocx-pbx"),
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(e.tag for e in endpoints)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API token of the administration pages, or the setting http.api_token.",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "emocx-session"},
            },
        },
    }


def _spell_patterns(node: Any) -> None:
    """JSON Schema has ECMA's regular expressions, where `$` is the very end."""
    if isinstance(node, dict):
        if isinstance(pattern := node.get("pattern"), str):
            node["pattern"] = pattern.replace("\\Z", "$")
        for each in node.values():
            _spell_patterns(each)
    elif isinstance(node, list):
        for each in node:
            _spell_patterns(each)


def _schemas(endpoints: Sequence[Endpoint]) -> tuple[dict[str, Any], dict[Any, Any]]:
    """All components, and for each type that an endpoint names, the schema to put in its place."""
    kinds: list[Any] = [Problem]
    for endpoint in endpoints:
        kinds += [endpoint.query, endpoint.body, *(answer.kind for answer in endpoint.answers.values())]
    kinds = list(dict.fromkeys(kind for kind in kinds if kind is not None))
    found, schemas = msgspec.json.schema_components(kinds, ref_template=_REF)
    for cls in _classes(mi.multi_type_info(kinds)):
        schema = schemas.get(cls.__name__)
        for name, text in field_docs(cls).items():
            if schema and name in schema.get("properties", {}):
                schema["properties"][name].setdefault("description", text)
                if text.startswith("Deprecated"):
                    schema["properties"][name]["deprecated"] = True
    return schemas, dict(zip(kinds, found, strict=True))


def _classes(infos: Iterable[mi.Type]) -> set[type]:
    """Every Struct and dataclass that types consist of."""
    found: set[type] = set()
    pending = list(infos)
    while pending:
        info = pending.pop()
        if isinstance(info, mi.StructType | mi.DataclassType):
            if info.cls not in found:
                found.add(info.cls)
                pending += [part.type for part in info.fields]
        elif isinstance(info, mi.UnionType):
            pending += info.types
        elif isinstance(info, mi.TupleType):
            pending += info.item_types
        elif isinstance(info, mi.ListType | mi.VarTupleType | mi.SetType | mi.FrozenSetType):
            pending.append(info.item_type)
        elif isinstance(info, mi.DictType):
            pending.append(info.value_type)
        elif isinstance(info, mi.Metadata):
            pending.append(info.type)
    return found


def _operation(endpoint: Endpoint, schemas: dict[str, Any], refs: Mapping[Any, Any]) -> dict[str, Any]:
    access = access_of_handler(endpoint.handler)
    described = " ".join((endpoint.handler.__doc__ or "").split())
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}
        for name in _PARAMETER.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        parameters += _query_parameters(schemas[endpoint.query.__name__])
    parameters += [
        {"name": name, "in": "header", "description": text, "schema": {"type": "string", "pattern": _VISIBLE}}
        for name, text in endpoint.headers.items()
    ]
    operation: dict[str, Any] = {
        "operationId": endpoint.handler.__name__,
        "tags": [endpoint.tag],
        "summary": described.split(". ", 1)[0].split(": ", 1)[0].rstrip("."),
        "description": described + _who(access),
        "responses": _responses(endpoint, access, refs),
    }
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": refs[endpoint.body]}},
        }
    operation["security"] = [] if access.public else [{"token": []}, {"session": []}]
    return operation


def _path_schema(name: str) -> dict[str, Any]:
    if name == "segment":
        return {"type": "integer", "minimum": 0, "maximum": 9999}
    return {"type": "string", "minLength": 1, "maxLength": 200}


def _query_parameters(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name, part in schema["properties"].items():
        kept = {k: v for k, v in part.items() if k not in {"description", "default"} or v is not None}
        options = [one for one in kept.pop("anyOf", []) if one != {"type": "null"}]
        if len(options) == 1:
            kept |= options[0]
        if isinstance(kept.get("enum"), list):
            kept["enum"] = [value for value in kept["enum"] if value is not None]
        text = kept.pop("description", "")
        required = name in schema.get("required", ())
        described = {"description": text} if text else {}
        found.append({"name": name, "in": "query", "required": required, **described, "schema": kept})
        if earlier := EARLIER.get(name):
            words = f"Deprecated: `{name}`."
            found.append({**found[-1], "name": earlier, "description": words, "deprecated": True})
    return found


def _who(access: Access) -> str:
    if access.public:
        return " For everybody."
    roles = ", ".join(sorted(access.roles))
    return f" Scope of a token: {access.scope}. Roles of users: {roles or 'none'}."


def refusals_of(endpoint: Endpoint) -> frozenset[int]:
    """Every status that an endpoint may refuse a request by, its own among them."""
    found = EVERY | set(endpoint.refusals)
    if not access_of_handler(endpoint.handler).public:
        found |= COMMON
    if _PARAMETER.search(endpoint.path):
        found |= {404, 422}
    if endpoint.query is not None:
        found |= {422}
    if endpoint.body is not None:
        found |= {409, 422} if "Idempotency-Key" in endpoint.headers else {422}
    return frozenset(found)


def _responses(endpoint: Endpoint, access: Access, refs: Mapping[Any, Any]) -> dict[str, Any]:
    found = {str(status): _answer(answer, refs) for status, answer in endpoint.answers.items()}
    reading = endpoint.method == "GET" and endpoint.answers[200].kind is not None
    if reading and not access.public:
        found["304"] = {"description": "Unchanged: what If-None-Match names is current."}
    for status in sorted(refusals_of(endpoint)):
        if str(status) not in found:
            found[str(status)] = {
                "description": REASONS[status],
                "content": {PROBLEM: {"schema": refs[Problem]}},
            }
            if status == 400:  # what is no HTTP is refused before there is a handler
                found["400"]["content"][TEXT] = {"schema": {"type": "string"}}
            if status == 429:
                found["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return dict(sorted(found.items()))


def _answer(answer: Answer, refs: Mapping[Any, Any]) -> dict[str, Any]:
    if not answer.media:
        return {"description": answer.description}
    schema = refs[answer.kind] if answer.kind is not None else {"type": "string"}
    return {"description": answer.description, "content": {answer.media: {"schema": schema}}}
