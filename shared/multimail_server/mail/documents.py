"""PDF and office files as text, with the extra `documents`, in a process of its own.

The process has limits of time and memory: a small file can stand for gigabytes or for hours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from typing import Any
from xml.etree import ElementTree as ET

DOCUMENT_TIMEOUT = 20.0
MAX_MEMORY = 1024 * 1024 * 1024
MAX_UNPACKED = 100 * 1024 * 1024
MAX_PAGES = 200
MAX_ROWS = 10_000
MAX_COLUMNS = 100
_MAX_MEMBERS = 5000
_MAX_CHARS = 300_000
_MODULES = ("pypdf", "docx", "openpyxl", "pptx")
_ODF_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SYSTEMROOT")
_SLOTS = threading.BoundedSemaphore(2)


def read_document(content: bytes) -> tuple[str | None, tuple[str, ...]]:
    """Return the text of a document, or None, and codes of what to know of it.

    `needs_extra`: the extra `documents` is not installed; `unreadable`: it is broken, encrypted or
    too expensive to read; `cut`: it has more; `hidden_text_possible`: it may contain text that a
    person does not see.
    """
    if any(find_spec(name) is None for name in _MODULES):
        return None, ("needs_extra",)
    try:
        with _SLOTS:
            # Neither the working directory nor the server's secrets are the reader's business.
            result = subprocess.run(  # noqa: S603 - a module of our own, without a shell
                [sys.executable, "-P", "-m", __name__],
                input=content, capture_output=True, timeout=DOCUMENT_TIMEOUT, check=True,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            )  # fmt: skip
        text, notes = json.loads(result.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None, ("unreadable",)
    return text, tuple(notes)


def _run() -> None:
    _limit_resources()
    answer: tuple[str | None, list[str]] = (None, ["unreadable"])
    try:
        text, is_cut = _take(_read(sys.stdin.buffer.read()))
        answer = (text, ["hidden_text_possible", *["cut"] * is_cut])
    except Exception:  # noqa: S110 - whatever a library raises, a broken file is unreadable
        pass
    sys.stdout.buffer.write(json.dumps(answer).encode())


def _limit_resources() -> None:
    try:
        resource: Any = import_module("resource")
    except ImportError:  # Windows
        return
    seconds = int(DOCUMENT_TIMEOUT)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))


def _take(pieces: Iterator[str]) -> tuple[str, bool]:
    """Join pieces of text up to a limit; return also whether there are more."""
    taken: list[str] = []
    size = 0
    for piece in pieces:
        if size + len(piece) > _MAX_CHARS:
            return "\n".join([*taken, piece[: _MAX_CHARS - size]]), True
        taken.append(piece)
        size += len(piece) + 1
    return "\n".join(taken).replace("\0", ""), False


def _read(content: bytes) -> Iterator[str]:
    if content[:1024].lstrip().startswith(b"%PDF-"):
        return _read_pdf(content)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = _check_archive(archive)
        if "content.xml" in names:
            return _read_odt(archive.read("content.xml"))
    for member, read in (
        ("word/document.xml", _read_docx),
        ("xl/workbook.xml", _read_xlsx),
        ("ppt/presentation.xml", _read_pptx),
    ):
        if member in names:
            return read(content)
    raise ValueError("not a document")


def _check_archive(archive: zipfile.ZipFile) -> set[str]:
    """Return the names in an archive that is neither a bomb nor declares XML entities."""
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS or sum(file.file_size for file in members) > MAX_UNPACKED:
        raise ValueError("too large")
    for file in members:
        if file.filename.endswith((".xml", ".rels")):
            with archive.open(file) as stream:
                if b"<!DOCTYPE" in stream.read(4096):
                    raise ValueError("a document type declaration")
    return {file.filename for file in members}


def _read_pdf(content: bytes) -> Iterator[str]:
    reader = import_module("pypdf").PdfReader(BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("encrypted")
    for number, page in enumerate(reader.pages):
        if number >= MAX_PAGES:
            yield "(The document has more pages.)"
            return
        yield page.extract_text()


def _read_docx(content: bytes) -> Iterator[str]:
    document = import_module("docx").Document(BytesIO(content))
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            for row in block.rows:
                yield " | ".join(cell.text.replace("\n", " ") for cell in row.cells)
        else:
            yield "".join(_get_visible_run(item) for item in block.iter_inner_content())


def _get_visible_run(item: Any) -> str:
    is_hidden = hasattr(item, "font") and item.font.hidden
    return "" if is_hidden else str(item.text)


def _read_xlsx(content: bytes) -> Iterator[str]:
    openpyxl = import_module("openpyxl")
    book = openpyxl.load_workbook(BytesIO(content), read_only=True, data_only=True)
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            continue
        sheet.reset_dimensions()
        yield f"Sheet: {sheet.title}"
        for row in sheet.iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True):
            values = ["" if value is None else str(value) for value in row]
            if any(values):
                yield "\t".join(values).rstrip("\t")


def _read_pptx(content: bytes) -> Iterator[str]:
    slides = import_module("pptx").Presentation(BytesIO(content)).slides
    for number, slide in enumerate(slides, 1):
        if slide.element.get("show") == "0":
            continue
        yield f"Slide {number}:"
        shapes = list(slide.shapes)[::-1]
        while shapes:
            shape = shapes.pop()
            if hasattr(shape, "shapes"):
                shapes.extend(list(shape.shapes)[::-1])
            elif getattr(shape, "has_table", False):
                for row in shape.table.rows:
                    yield " | ".join(cell.text for cell in row.cells)
            elif shape.has_text_frame and shape.text_frame.text.strip():
                yield shape.text_frame.text


def _read_odt(xml: bytes) -> Iterator[str]:
    for element in ET.fromstring(xml).iter():  # noqa: S314 - it has no declarations
        if element.tag in {f"{_ODF_TEXT}p", f"{_ODF_TEXT}h"}:
            yield "".join(element.itertext())


if __name__ == "__main__":
    _run()
