"""Reads a multipart form as it comes in: its files go to a folder, its fields are options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from geoships.service.intake.files import Incoming
from geoships.service.intake.names import safe_name
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits

FIELD_BYTES = 64 << 10  # of the value of a field
FIELDS = 100


@dataclass
class Form:
    """What a form holds.

    files: the files, in their order. hashes: SHA-256 of each. fields: options by name.
    """

    files: list[Path] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)


class _Reader:
    """Takes what the parser finds: it keeps fields, and writes files."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.form, self.ended = Form(), False
        self._folder, self._limits = folder, limits
        self._header, self._name, self._headers = b"", b"", dict[str, bytes]()
        self._field: str | None = None
        self._value = bytearray()
        self._file: Incoming | None = None

    def callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self.part_begin,
            "on_header_field": self.header_field,
            "on_header_value": self.header_value,
            "on_header_end": self.header_end,
            "on_headers_finished": self.headers_finished,
            "on_part_data": self.part_data,
            "on_part_end": self.part_end,
            "on_end": self.end,
        }

    def end(self) -> None:
        self.ended = True

    def part_begin(self) -> None:
        self._headers, self._name, self._header = {}, b"", b""

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def header_end(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._header
        self._name, self._header = b"", b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")[:80]
        if b"filename" in options:
            self._begin_file(name, options[b"filename"].decode("utf-8", "replace"))
        else:
            if len(self.form.fields) >= FIELDS:
                raise ProblemError(400, f"the form has more than {FIELDS} fields")
            self._field = name

    def _begin_file(self, field_name: str, name: str) -> None:
        if field_name != "file":
            raise ProblemError(400, f"the form has a file in the field {field_name!r}; name the field 'file'")
        if len(self.form.files) >= self._limits.files:
            raise ProblemError(400, f"the form has more than {self._limits.files} files")
        path = self._folder / safe_name(name, len(self.form.files))
        if path.exists():
            raise ProblemError(400, f"two files have the name {path.name}; give each its own")
        self._file = Incoming(path)

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
        elif len(self._value) + end - start > FIELD_BYTES:
            raise ProblemError(413, f"the field {self._field} is longer than {FIELD_BYTES} bytes")
        else:
            self._value += data[start:end]

    def part_end(self) -> None:
        if self._file is not None:
            with self._file as file:
                self.form.files.append(file.path)
                self.form.hashes.append(file.sha256)
            self._file = None
        elif self._field is not None:
            self.form.fields[self._field] = self._value.decode("utf-8", "replace")
        self._field, self._value = None, bytearray()

    def close(self) -> None:
        if self._file is not None:
            self._file.__exit__(ProblemError, None, None)


async def read_form(
    content_type: str, chunks: AsyncIterator[bytes], folder: Path, limits: Limits, threads: CapacityLimiter
) -> Form:
    """Read a multipart form.

    Args:
        content_type: Header of the request.
        chunks: Its body.
        folder: Where its files go; the caller deletes it after an error.
        limits: How many files it may have.
        threads: Those that may write.

    Raises:
        ProblemError: 415 for another kind of body, 400 for a damaged form.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise ProblemError(415, "send the scene as multipart/form-data, in a field named 'file'")
    reader = _Reader(folder, limits)
    try:
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        async for chunk in chunks:
            await to_thread.run_sync(parser.write, chunk, limiter=threads)
    except FormParserError as error:
        raise ProblemError(400, "the form is damaged or ends too early; send it again") from error
    finally:
        reader.close()
    if not reader.ended:
        raise ProblemError(400, "the form ends too early; send it again")
    return reader.form
