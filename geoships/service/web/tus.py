"""Uploads that can be resumed, by the tus protocol 1.0: POST begins one, PATCH appends, HEAD tells how far it is.

tus, and not ranges of a PUT, because it says how a client learns where to go on, has clients in every language, and
checks each part by its hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request
from fastapi.responses import Response

from geoships.service.folders import DataFolder, is_identity
from geoships.service.intake.accept import begin_upload
from geoships.service.intake.files import disk_errors
from geoships.service.intake.names import safe_name
from geoships.service.intake.pace import body_chunks
from geoships.service.intake.room import require_room
from geoships.service.problems import ProblemError
from geoships.service.web.access import Writer
from geoships.service.web.service import Parts, Service, link
from geoships.service.work.tidy import DAY, UPLOAD_DAYS

router = APIRouter(tags=["Uploads"])

VERSION = "1.0.0"
ABOUT = {
    "Tus-Version": VERSION,
    "Tus-Extension": "creation,expiration,termination,checksum",
    "Tus-Checksum-Algorithm": "sha1,sha256",
}
PART = "application/offset+octet-stream"


def _headers(**more: str) -> dict[str, str]:
    return {"Tus-Resumable": VERSION, "Cache-Control": "no-store", **{k.replace("_", "-"): v for k, v in more.items()}}


@router.options("/uploads", status_code=204, summary="What the service knows of tus")
def about(service: Parts) -> Response:
    """Versions, extensions and the largest upload."""
    return Response(status_code=204, headers={**ABOUT, **_headers(Tus_Max_Size=str(service.settings.limits.upload))})


@router.post("/uploads", status_code=201, summary="Begin an upload", response_class=Response)
def begin(request: Request, service: Parts, caller: Writer) -> Response:
    """``Upload-Length`` gives its bytes, ``Upload-Metadata`` its name as ``filename BASE64``; see ``Location``."""
    _require_version(request)
    length = request.headers.get("upload-length", "")
    if not length.isdecimal() or len(length) > 18:
        raise ProblemError(400, "Upload-Length: give the bytes of the file")
    name = _name(request)
    require_room(
        service.folder, service.store, service.settings.limits,
        owner=caller.owner, quota=caller.quota, size=int(length),
    )  # fmt: skip
    identity = begin_upload(service.folder)
    info = {"owner": caller.owner, "length": int(length), "name": name}
    place = service.folder.upload(identity)
    with disk_errors():
        (place / "files" / name).touch()
        (place / "info.json").write_text(json.dumps(info), encoding="utf-8")
    location = link(request, "self", f"/uploads/{identity}")["href"]
    return Response(status_code=201, headers=_headers(Location=location, Upload_Expires=_expiry(), Upload_Offset="0"))


def _name(request: Request) -> str:
    """The file name in the metadata of an upload."""
    for pair in request.headers.get("upload-metadata", "").split(","):
        key, _, value = pair.strip().partition(" ")
        if key in ("filename", "name"):
            try:
                return safe_name(base64.b64decode(value, validate=True).decode())
            except (binascii.Error, UnicodeDecodeError):
                raise ProblemError(400, "Upload-Metadata: the name is not base64 of UTF-8") from None
    return "scene"


def _expiry() -> str:
    return format_datetime(datetime.fromtimestamp(time.time() + UPLOAD_DAYS * DAY, UTC), usegmt=True)


@router.head("/uploads/{upload}", summary="How far an upload is", response_class=Response)
def offset(upload: str, service: Parts, caller: Writer) -> Response:
    """See ``Upload-Offset``: from there the client goes on."""
    info, file = _own(service.folder, upload, caller.owner)
    return Response(
        status_code=200,
        headers=_headers(Upload_Offset=str(file.stat().st_size), Upload_Length=str(info["length"])),
    )


@router.patch(
    "/uploads/{upload}",
    status_code=204,
    summary="Append to an upload",
    response_class=Response,
    openapi_extra={"requestBody": {"content": {PART: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def append(request: Request, upload: str, service: Parts, caller: Writer) -> Response:
    """``Upload-Offset`` is where the part begins. What came before the connection broke is kept."""
    _require_version(request)
    info, file = _own(service.folder, upload, caller.owner)
    if request.headers.get("content-type") != PART:
        raise ProblemError(415, f"send the part as {PART}")
    if upload in service.busy:
        raise ProblemError(423, "another request writes to this upload now")
    service.busy.add(upload)
    try:
        size = await _append(request, service, info, file)
    finally:
        service.busy.discard(upload)
    return Response(status_code=204, headers=_headers(Upload_Offset=str(size), Upload_Expires=_expiry()))


async def _append(request: Request, service: Service, info: dict[str, Any], file: Path) -> int:
    """Write a part; returns how far the upload is."""
    start = file.stat().st_size
    if request.headers.get("upload-offset") != str(start):
        raise ProblemError(409, f"the upload is at byte {start}", headers={"Upload-Offset": str(start)})
    wanted = _checksum(request)
    found = hashlib.new(wanted[0], usedforsecurity=False) if wanted else None
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > info["length"] - start:
        raise ProblemError(413, f"the upload has {info['length']} bytes, and {start} are here already")
    with file.open("ab") as opened:
        async for chunk in body_chunks(request, service.settings.limits, info["length"] - start):
            if service.folder.free() - len(chunk) < service.settings.limits.free // 2:
                raise ProblemError(507, "the disk of the service is full; go on later", kind="disk-full")
            with disk_errors():
                await to_thread.run_sync(opened.write, chunk, limiter=service.writing)
            if found:
                found.update(chunk)
        opened.flush()
        if wanted and found and found.digest() != wanted[1]:
            opened.truncate(start)
            raise ProblemError(460, "the part was damaged on its way; send it again", kind="checksum")
        await to_thread.run_sync(os.fsync, opened.fileno(), limiter=service.writing)
        return opened.tell()


def _checksum(request: Request) -> tuple[str, bytes] | None:
    """The hash that a part is to have, and its kind."""
    text = request.headers.get("upload-checksum")
    if text is None:
        return None
    kind, _, value = text.partition(" ")
    if kind not in ("sha1", "sha256"):
        raise ProblemError(400, "Upload-Checksum: sha1 or sha256, and base64 of the hash")
    try:
        return kind, base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ProblemError(400, "Upload-Checksum: the hash is not base64") from None


@router.delete("/uploads/{upload}", status_code=204, summary="Give an upload up", response_class=Response)
def give_up(request: Request, upload: str, service: Parts, caller: Writer) -> Response:
    """Deletes what came of it."""
    _require_version(request)
    _own(service.folder, upload, caller.owner)
    if upload in service.busy:
        raise ProblemError(423, "another request writes to this upload now")
    service.folder.remove_upload(upload)
    return Response(status_code=204, headers=_headers())


def _require_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != VERSION:
        raise ProblemError(412, f"Tus-Resumable: send {VERSION}", headers={"Tus-Version": VERSION})


def _own(folder: DataFolder, upload: str, owner: str) -> tuple[dict[str, Any], Path]:
    """Facts about an upload of the caller, and its file.

    Raises:
        ProblemError: 404, for the uploads of others, too.
    """
    if is_identity(upload):
        try:
            info: dict[str, Any] = json.loads((folder.upload(upload) / "info.json").read_text(encoding="utf-8"))
            if info["owner"] == owner:
                return info, folder.upload(upload) / "files" / info["name"]
        except (OSError, ValueError):
            pass  # it was never whole, or is being deleted
    raise ProblemError(404, "there is no such upload; it may have been used already, or be too old")


def claim_uploads(service: Service, owner: str, uploads: list[str]) -> str:
    """Take complete uploads for one job, as one upload.

    Args:
        service: The service.
        owner: Who asks.
        uploads: Ids of the uploads, each once.

    Returns:
        The id of an upload that has all their files.

    Raises:
        ProblemError: One is missing, not complete, or has the name of another.
    """
    if len(set(uploads)) < len(uploads) or len(uploads) > service.settings.limits.files:
        raise ProblemError(400, f"give each upload once, and at most {service.settings.limits.files}")
    found = [_own(service.folder, upload, owner) for upload in uploads]
    for upload, (info, file) in zip(uploads, found, strict=True):
        if upload in service.busy or file.stat().st_size != info["length"]:
            raise ProblemError(409, f"the upload of {info['name']} is not complete")
    names = [info["name"] for info, _ in found]
    if len(set(names)) < len(names):
        raise ProblemError(400, "two of the uploads have one name; give each its own")
    first = uploads[0]
    for upload, (info, file) in zip(uploads[1:], found[1:], strict=True):
        file.rename(service.folder.upload(first) / "files" / info["name"])
        service.folder.remove_upload(upload)
    return first
