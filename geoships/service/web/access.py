"""Who may do what: keys, scopes, requests from this machine, and how many requests a minute.

A key comes as ``Authorization: Bearer KEY``, as the password of Basic (for QGIS), as ``X-API-Key``, or in the cookie
that the page gets. Without one, only this machine itself is answered, and only where the service listens on it alone:
requests that a proxy has passed on, or that name another host (DNS rebinding), need a key.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from limits import RateLimitItemPerMinute

from geoships.service.folders import is_identity
from geoships.service.jobs import LOCAL, Job, Scope, split_key
from geoships.service.problems import ProblemError
from geoships.service.web.service import Parts, Service, base_of

COOKIE = "geoships_key"
PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
SAFE = ("GET", "HEAD", "OPTIONS")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="geoships", Basic realm="geoships", charset="UTF-8"'}


@dataclass(frozen=True)
class Caller:
    """Who asks.

    owner: id of the key, or `LOCAL`. name: of the key. scopes: what it may do. quota: bytes that its jobs may take.
    """

    owner: str
    name: str
    scopes: frozenset[Scope]
    quota: int


def caller_of(request: Request, service: Service, key_text: str | None = None) -> Caller:
    """Who asks, by the key of the request.

    Args:
        request: The request.
        service: The service.
        key_text: A key in place of the request's own.

    Raises:
        ProblemError: 401 without a key that is known.
    """
    quota = service.settings.limits.quota
    text = key_text if key_text is not None else _sent_key(request)
    if text is None:
        if _is_this_machine(request, service):
            return Caller(LOCAL, LOCAL, frozenset(Scope), quota)
        raise ProblemError(401, "send a key: Authorization: Bearer KEY", headers=CHALLENGE)
    parts = split_key(text)
    key = service.store.key(parts[0]) if parts else None
    if parts is None or key is None or not key.fits(parts[1]):
        raise ProblemError(401, "the key is not known; ask the operator for one", headers=CHALLENGE)
    return Caller(key.id, key.name, key.scopes, key.quota if key.quota is not None else quota)


def _sent_key(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return request.headers.get("x-api-key") or request.cookies.get(COOKIE)


def _is_this_machine(request: Request, service: Service) -> bool:
    if not service.local or service.settings.keys_only or any(name in request.headers for name in PASSED_ON):
        return False
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    client = request.client.host if request.client else ""
    return _is_loopback(host) and (_is_loopback(client) or client == "testclient")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reader(request: Request, service: Parts) -> Caller:
    return _admitted(request, service, Scope.read)


def _writer(request: Request, service: Parts) -> Caller:
    return _admitted(request, service, Scope.write)


def _admitted(request: Request, service: Service, scope: Scope) -> Caller:
    require_own_page(request, service)
    who = request.client.host if request.client else "unknown"
    try:
        caller = caller_of(request, service)
    except ProblemError:
        count_request(service, f"address:{who}", upload=False)  # so that keys are not tried at will
        raise
    request.state.caller = caller.name
    if scope not in caller.scopes:
        raise ProblemError(403, f"the key {caller.name} has no scope {scope.value!r}", kind="scope")
    upload = request.method == "POST" and request.url.path.rstrip("/").endswith(("/jobs", "/uploads", "/execution"))
    count_request(service, f"key:{caller.owner}", upload=upload)
    return caller


def count_request(service: Service, who: str, *, upload: bool) -> None:
    """Count a request.

    Raises:
        ProblemError: 429 where there are too many in a minute.
    """
    limits = service.settings.limits
    for kind, most in (("requests", limits.requests), *((("uploads", limits.uploads),) if upload else ())):
        if not most:
            continue
        with service.counting:
            allowed = service.limiter.hit(RateLimitItemPerMinute(most), kind, who)
        if not allowed:
            raise ProblemError(
                429, f"more than {most} {kind} in a minute; wait a little", kind="rate", headers={"Retry-After": "10"}
            )


def require_own_page(request: Request, service: Service) -> None:
    """Refuse changes that another site's page asks a browser for.

    Raises:
        ProblemError: 403, where the request comes from one.
    """
    origin = request.headers.get("origin")
    if request.method in SAFE or not origin or origin in service.settings.origins:
        return
    if origin == "null" or urlsplit(origin).netloc != urlsplit(base_of(request)).netloc:
        raise ProblemError(403, "a page of another site may not change anything here", kind="origin")


Reader = Annotated[Caller, Depends(_reader)]
Writer = Annotated[Caller, Depends(_writer)]


def own_job(service: Service, caller: Caller, identity: str) -> Job:
    """The job with an id, if it is the caller's own.

    Raises:
        ProblemError: 404, for the jobs of others, too.
    """
    job = service.store.job(identity) if is_identity(identity) else None
    if job is None or job.owner != caller.owner:
        raise ProblemError(
            404, "there is no such job", kind="http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job"
        )
    return job


def _readable_job(job: str, request: Request, service: Parts) -> Job:
    return own_job(service, _admitted(request, service, Scope.read), job)


def _writable_job(job: str, request: Request, service: Parts) -> Job:
    return own_job(service, _admitted(request, service, Scope.write), job)


ReadJob = Annotated[Job, Depends(_readable_job)]
WriteJob = Annotated[Job, Depends(_writable_job)]
