"""From the bytes of one file to its text with marks: one module per format, imported at first need.

Whatever the format, the text holds no NUL, no carriage return and no lone surrogate, and a blank line
stands between its blocks. What goes wrong, however strangely, comes out as an `ExtractionError`.
"""

from __future__ import annotations

import codecs
import importlib
import os

from docqa.errors import ExtractionError
from docqa.records import Extraction

_SNIFFED_BYTES = 8192
_WIDE_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32 LE begins as UTF-16 LE

_PLAIN_TEXT = "text/plain"

_SUFFIXES = {
    "text/markdown": ".md .markdown .mdown .mkd",
    "text/html": ".html .htm .xhtml",
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx .docm",
    "application/x-ipynb+json": ".ipynb",
    "message/rfc822": ".eml",
    _PLAIN_TEXT: ".txt .text .log .csv .tsv .ini .cfg .conf .toml .yaml .yml .json .jsonl .ndjson .xml .tex .bib"
    " .rst .org .adoc .asciidoc .diff .patch .srt .vtt .properties .cmake .mk .gradle .tf .proto .graphql",
    "text/x-python": ".py .pyi .pyx",
    "text/x-c": ".c .h .cc .cpp .cxx .hh .hpp .hxx .m .mm .cu",
    "text/x-rust": ".rs",
    "text/x-go": ".go",
    "text/javascript": ".js .mjs .cjs .jsx",
    "text/x-typescript": ".ts .tsx .mts .cts",
    "text/x-java": ".java",
    "text/x-kotlin": ".kt .kts",
    "text/x-scala": ".scala",
    "text/x-csharp": ".cs",
    "text/x-swift": ".swift",
    "text/x-ruby": ".rb",
    "text/x-perl": ".pl .pm",
    "text/x-php": ".php",
    "text/x-lua": ".lua",
    "text/x-r": ".r",
    "text/x-julia": ".jl",
    "text/x-haskell": ".hs",
    "text/x-shellscript": ".sh .bash .zsh .fish .ps1 .bat",
    "text/css": ".css .scss .sass .less",
    "text/x-sql": ".sql",
}

_MEDIA_TYPES = {suffix: media_type for media_type, row in _SUFFIXES.items() for suffix in row.split()}

_TEXT_NAMES = (
    "readme license licence copying notice authors contributors changelog changes history news todo install"
    " makefile gnumakefile dockerfile containerfile jenkinsfile vagrantfile procfile rakefile gemfile"
    " codeowners version"
)

_MODULES = {
    "text/markdown": ("markdown", "Markdown file"),
    "text/html": ("html", "web page"),
    "application/pdf": ("pdf", "PDF"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("docx", "Word document"),
    "application/x-ipynb+json": ("notebook", "Jupyter notebook"),
    "message/rfc822": ("email", "e-mail message"),
}


def media_type_of(name: str) -> str | None:
    """Tell the media type from a file's name or path alone; None if its suffix is not known."""
    base = os.path.basename(name).lower()
    suffix = os.path.splitext(base)[1]
    return _MEDIA_TYPES.get(suffix) or (_PLAIN_TEXT if base in _TEXT_NAMES.split() else None)


def is_plain_text(name: str) -> bool:
    """Whether a file of this name is read as it stands, without any parser."""
    media_type = media_type_of(name)
    return media_type is None or media_type not in _MODULES


def extract(name: str, data: bytes) -> tuple[str, Extraction]:
    """Return the media type and the extraction of a file from its name and bytes.

    A file whose suffix is not known is read as plain text if it looks like text.
    Raises `ExtractionError` if the file cannot be read or holds no text.
    """
    media_type = media_type_of(name) or _sniff(name, data)
    module, label = _MODULES.get(media_type, ("text", "text file"))
    extraction = _run(module, label, data)
    if not extraction.text.strip():
        raise ExtractionError("no text in it")
    return media_type, extraction


def _sniff(name: str, data: bytes) -> str:
    if data.startswith(_WIDE_BOMS) or (b"\0" not in data[:_SNIFFED_BYTES] and _is_utf8(data)):
        return _PLAIN_TEXT
    suffix = os.path.splitext(os.path.basename(name))[1]
    raise ExtractionError(f"unknown format {suffix!r}" if suffix else "unknown format, and not text")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _run(module: str, label: str, data: bytes) -> Extraction:
    """Run one format's extractor; the only place where every kind of failure is caught.

    Libraries that parse hostile files raise whatever they stumble over, from `KeyError` to `struct.error`;
    none of it may end a run over many files.
    """
    try:
        extraction: Extraction = importlib.import_module(f"docqa.extract.{module}").extract(data)
    except ExtractionError:
        raise
    except RecursionError as error:
        raise ExtractionError(f"{label} nested too deeply") from error
    except MemoryError as error:
        raise ExtractionError(f"{label} needs more memory than there is") from error
    except Exception as error:
        raise ExtractionError(f"damaged {label} ({type(error).__name__}: {error})") from error
    return extraction
