"""Scenes at addresses: only those that the operator allows, fetched to a file before anything opens them.

The host's name is resolved here, each address that it has is checked, and the connection goes to the one that was
checked, so that an answer which changes in between leads nowhere. Each redirect is checked in the same way.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError

from geoships.service.intake.files import Incoming
from geoships.service.intake.names import safe_name
from geoships.service.problems import ProblemError
from geoships.service.settings import ServiceSettings

REDIRECTS = 5
TIMEOUT = urllib3.Timeout(connect=10, read=30)
CHUNK = 1 << 20
PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True)
class Place:
    """An address that was checked.

    url: the address. host: its host. port: its port. ip: the address of the host that was checked.
    """

    url: SplitResult
    host: str
    port: int
    ip: str


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a host.

    Raises:
        OSError: It has none.
    """
    return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)})


def check_address(address: str, settings: ServiceSettings, resolve: Resolve = resolve_host) -> Place:
    """Check an address before anything is asked of it.

    Args:
        address: What a client or a redirect gave.
        settings: Which addresses are allowed.
        resolve: Returns the addresses of a host.

    Raises:
        ProblemError: 400 for what is no address, 403 for one that is not allowed, 422 for an unknown host.
    """
    url = _split(address)
    host, port = (url.hostname or "").rstrip("."), url.port or PORTS[url.scheme]
    if not any(_begins(url, host, port, allowed) for allowed in settings.allowed):
        raise ProblemError(403, "scenes are not taken from this address; upload the file", kind="address")
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError):
        raise ProblemError(422, f"the host {host} is not known; check the address", kind="address") from None
    if not found or not all(_may_be_asked(ip, private=settings.private_addresses) for ip in found):
        raise ProblemError(403, f"the host {host} has an address that is not allowed", kind="address")
    return Place(url, host, port, found[0])


def _split(address: str) -> SplitResult:
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise ProblemError(400, "the address cannot be read", kind="address") from None
    strange = any(letter.isspace() or not letter.isprintable() or letter in "\\" for letter in address)
    if strange or not address.isascii() or len(address) > 4000 or port == 0:
        raise ProblemError(400, "the address has characters that no address has", kind="address")
    if url.scheme not in PORTS or not url.hostname:
        raise ProblemError(400, "an address begins with https:// or http://", kind="address")
    if url.username is not None or url.password is not None or "%" in url.netloc:
        raise ProblemError(400, "an address with a user or a password is not taken", kind="address")
    return url


def _begins(url: SplitResult, host: str, port: int, allowed: str) -> bool:
    """Whether an address begins as an allowed one does: scheme, host, port and whole parts of its path."""
    known = urlsplit(allowed)
    if (url.scheme, host.lower(), port) != (known.scheme, known.hostname, known.port or PORTS.get(known.scheme)):
        return False
    if ".." in unquote(url.path).replace("\\", "/").split("/"):
        return False
    folder = known.path.rstrip("/") + "/"
    return url.path == known.path or (url.path or "/").startswith(folder)


def _may_be_asked(ip: str, *, private: bool) -> bool:
    """Whether a host may have an address: a public one, or with `private` one of an office.

    >>> _may_be_asked("169.254.169.254", private=True), _may_be_asked("10.0.0.1", private=True)
    (False, True)
    """
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        address = mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    return address.is_global or (private and (address.is_private or address.is_loopback))


@contextmanager
def opened(
    address: str, settings: ServiceSettings, resolve: Resolve = resolve_host
) -> Iterator[tuple[urllib3.BaseHTTPResponse, str]]:
    """Ask for an address, and follow its redirects as far as each is allowed.

    Yields:
        The answer, whose body is not read yet, and the file name in its address.

    Raises:
        ProblemError: See `check_address`; 422 where the server does not give the file, 413 where it is too large.
    """
    for _ in range(REDIRECTS + 1):
        place = check_address(address, settings, resolve)
        with _pool(place) as pool:
            target = place.url.path or "/"
            target += f"?{place.url.query}" if place.url.query else ""
            try:
                answer = pool.request(
                    "GET", target, headers={"Host": place.url.netloc, "Accept-Encoding": "identity"},
                    redirect=False, retries=False, preload_content=False, timeout=TIMEOUT,
                )  # fmt: skip
            except (HTTPError, OSError):
                raise ProblemError(422, f"{place.host} does not answer; try again later", kind="address") from None
            try:
                if 300 <= answer.status < 400:
                    address = urljoin(address, answer.headers.get("Location", ""))
                    continue
                _check_answer(answer, place, settings)
                yield answer, safe_name(unquote(place.url.path.rstrip("/").rpartition("/")[2]))
                return
            finally:
                answer.close()
    raise ProblemError(422, f"the address leads on more than {REDIRECTS} times", kind="address")


def _pool(place: Place) -> urllib3.HTTPConnectionPool:
    """Connections to the checked address; certificates are those of the name."""
    if place.url.scheme == "http":
        return urllib3.HTTPConnectionPool(place.ip, place.port)
    return urllib3.HTTPSConnectionPool(
        place.ip,
        place.port,
        cert_reqs="CERT_REQUIRED",
        ca_certs=certifi.where(),
        server_hostname=place.host,
        assert_hostname=place.host,
    )


def _check_answer(answer: urllib3.BaseHTTPResponse, place: Place, settings: ServiceSettings) -> None:
    if answer.status != 200:
        raise ProblemError(422, f"{place.host} answers {answer.status}; check the address", kind="address")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > settings.limits.upload:
        raise ProblemError(413, f"the file is too large: at most {settings.limits.upload} bytes are taken")


def fetch(address: str, folder: Path, settings: ServiceSettings, resolve: Resolve = resolve_host) -> Path:
    """Copy the file at an address to a folder.

    Returns:
        The file.

    Raises:
        ProblemError: See `opened`; 413 and 507 where it turns out too large, or the disk is full.
    """
    with opened(address, settings, resolve) as (answer, name), Incoming(folder / name) as file:
        try:
            for chunk in answer.stream(CHUNK):
                if file.size + len(chunk) > settings.limits.upload:
                    raise ProblemError(413, f"the file is too large: at most {settings.limits.upload} bytes are taken")
                file.write(chunk)
        except HTTPError:
            raise ProblemError(422, f"the server stopped after {file.size} bytes; try again", kind="address") from None
        expected = answer.headers.get("Content-Length", "")
        if expected.isdecimal() and int(expected) != file.size:
            raise ProblemError(422, f"the server stopped after {file.size} of {expected} bytes; try again")
    return file.path
