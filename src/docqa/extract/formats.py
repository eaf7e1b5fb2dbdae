"""Which formats there are: their suffixes, what reads them, and whether it is installed.

Other packages add formats through the entry point group `docqa.extractors`: the name is a suffix with its
dot, the value a function that takes a file's bytes and returns an `Extraction`. They are looked up for a
suffix that docqa does not know itself, so a known one costs nothing and cannot be taken over.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter

from docqa.records import Extraction

ENTRY_POINT_GROUP = "docqa.extractors"

Extractor = Callable[..., Extraction]

_PLAIN_TARGET = "docqa.extract.text:extract"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file that docqa reads.

    `name` is what a person calls one such file, `target` the extractor as `module:function`. `needs` is the
    module that it cannot do without and `extra` the extra of docqa that installs it. A `named` extractor
    takes the file's name beside its bytes. A `foreign` one belongs to another package.
    """

    name: str
    media_type: str
    suffixes: tuple[str, ...]
    target: str = _PLAIN_TARGET
    needs: str | None = None
    extra: str | None = None
    named: bool = False
    foreign: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the text is the file as it stands."""
        return self.target == _PLAIN_TARGET

    @property
    def is_available(self) -> bool:
        """Whether what it needs is installed; nothing is imported to tell."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None

    @property
    def remedy(self) -> str:
        """What to do about a missing library."""
        return f"needs docqa[{self.extra}]: pip install 'docqa[{self.extra}]'"

    def load(self) -> Extractor:
        """Import the extractor.

        Raises `ImportError` if its module, or one that it needs, is not there.
        """
        module, _, path = self.target.partition(":")
        extractor: Extractor = attrgetter(path)(importlib.import_module(module))
        return extractor


def _own(
    name: str,
    media_type: str,
    suffixes: str,
    module: str,
    function: str = "extract",
    *,
    needs: str | None = None,
    extra: str | None = None,
) -> Format:
    return Format(
        name,
        media_type,
        tuple(suffixes.split()),
        f"docqa.extract.{module}:{function}",
        needs=needs,
        extra=extra,
        named=module == "gz",
    )


def _text(media_type: str, suffixes: str, name: str = "source code") -> Format:
    return Format(name, media_type, tuple(suffixes.split()))


_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

PLAIN_TEXT = _text(
    "text/plain",
    ".txt .text .log .ini .cfg .conf .jsonl .ndjson .xml .tex .bib .adoc .asciidoc .diff .patch .properties"
    " .cmake .mk .gradle .tf .proto .graphql",
    name="text file",
)

FORMATS = (
    PLAIN_TEXT,
    _own("Markdown file", "text/markdown", ".md .markdown .mdown .mkd", "markdown"),
    _own("reStructuredText file", "text/x-rst", ".rst", "rst"),
    _own("Org file", "text/org", ".org", "org"),
    _own("web page", "text/html", ".html .htm .xhtml", "html"),
    _own("PDF", "application/pdf", ".pdf", "pdf"),
    _own("Word document", f"{_OPEN_XML}.wordprocessingml.document", ".docx .docm", "docx"),
    _own("RTF document", "application/rtf", ".rtf", "rtf"),
    _own("PowerPoint presentation", f"{_OPEN_XML}.presentationml.presentation", ".pptx .pptm .ppsx", "pptx"),
    _own("Excel workbook", f"{_OPEN_XML}.spreadsheetml.sheet", ".xlsx .xlsm", "xlsx"),
    _own("old Excel workbook", "application/vnd.ms-excel", ".xls", "xls", needs="python_calamine", extra="office"),
    _own("OpenDocument text", f"{_OPEN_DOCUMENT}.text", ".odt .ott", "opendocument"),
    _own("OpenDocument spreadsheet", f"{_OPEN_DOCUMENT}.spreadsheet", ".ods", "opendocument"),
    _own("OpenDocument presentation", f"{_OPEN_DOCUMENT}.presentation", ".odp", "opendocument"),
    _own("e-book", "application/epub+zip", ".epub", "epub"),
    _own("e-mail message", "message/rfc822", ".eml", "email"),
    _own("Outlook message", "application/vnd.ms-outlook", ".msg", "msg", needs="oxmsg", extra="office"),
    _own("mailbox", "application/mbox", ".mbox", "mbox"),
    _own("Jupyter notebook", "application/x-ipynb+json", ".ipynb", "notebook"),
    _own("table of values", "text/csv", ".csv .tsv", "delimited"),
    _own("JSON file", "application/json", ".json", "keyed"),
    _own("YAML file", "application/yaml", ".yaml .yml", "keyed"),
    _own("TOML file", "application/toml", ".toml", "keyed", "extract_toml"),
    _own("subtitles file", "text/vtt", ".srt .vtt", "subtitles"),
    _own("zip archive", "application/zip", ".zip", "archive"),
    _own("gzip file", "application/gzip", ".gz", "gz"),
    *(
        _own("picture", media_type, suffixes, "picture", needs="rapidocr", extra="ocr")
        for media_type, suffixes in (
            ("image/png", ".png"),
            ("image/jpeg", ".jpg .jpeg"),
            ("image/tiff", ".tif .tiff"),
            ("image/webp", ".webp"),
            ("image/bmp", ".bmp"),
        )
    ),
    _text("text/x-python", ".py .pyi .pyx"),
    _text("text/x-c", ".c .h .cc .cpp .cxx .hh .hpp .hxx .m .mm .cu"),
    _text("text/x-rust", ".rs"),
    _text("text/x-go", ".go"),
    _text("text/javascript", ".js .mjs .cjs .jsx"),
    _text("text/x-typescript", ".ts .tsx .mts .cts"),
    _text("text/x-java", ".java"),
    _text("text/x-kotlin", ".kt .kts"),
    _text("text/x-scala", ".scala"),
    _text("text/x-csharp", ".cs"),
    _text("text/x-swift", ".swift"),
    _text("text/x-ruby", ".rb"),
    _text("text/x-perl", ".pl .pm"),
    _text("text/x-php", ".php"),
    _text("text/x-lua", ".lua"),
    _text("text/x-r", ".r"),
    _text("text/x-julia", ".jl"),
    _text("text/x-haskell", ".hs"),
    _text("text/x-shellscript", ".sh .bash .zsh .fish .ps1 .bat"),
    _text("text/css", ".css .scss .sass .less"),
    _text("text/x-sql", ".sql"),
)

_BY_SUFFIX = {suffix: each for each in FORMATS for suffix in each.suffixes}

_TEXT_NAMES = (
    "readme license licence copying notice authors contributors changelog changes history news todo install"
    " makefile gnumakefile dockerfile containerfile jenkinsfile vagrantfile procfile rakefile gemfile"
    " codeowners version"
)


def format_of(name: str) -> Format | None:
    """Tell the format from a file's name or path alone; None if its suffix is not known."""
    base = os.path.basename(name).lower()
    suffix = os.path.splitext(base)[1]
    if suffix:
        return _BY_SUFFIX.get(suffix) or foreign_formats().get(suffix)
    return PLAIN_TEXT if base in _TEXT_NAMES.split() else None


@cache
def foreign_formats() -> Mapping[str, Format]:
    """The formats that other packages add, by suffix; of two for one suffix, the first by its target."""
    from importlib.metadata import entry_points  # searches every installed package: only once, and late

    found: dict[str, Format] = {}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name, entry.value)):
        suffix = entry.name.lower()
        if suffix.startswith(".") and entry.attr and suffix not in _BY_SUFFIX:
            media_type = f"application/x-{suffix[1:]}"
            made = Format(f"{suffix} file", media_type, (suffix,), f"{entry.module}:{entry.attr}", foreign=True)
            found.setdefault(suffix, made)
    return found


def reads_alike(path: str, other: str) -> bool:
    """Whether the same bytes mean the same under both names."""
    known = format_of(path)
    if known is not None and known.named:
        return os.path.basename(path) == os.path.basename(other)
    return known == format_of(other)


@cache
def reads_pictures() -> bool:
    """Whether text in pictures can be recognised."""
    return all(importlib.util.find_spec(module) is not None for module in ("rapidocr", "onnxruntime"))


def is_picture(name: str) -> bool:
    """Whether a file of this name is a picture that text can be recognised in."""
    known = format_of(name)
    return known is not None and known.media_type.startswith("image/")


def may_hold_text(name: str, media_type: str) -> bool:
    """Whether an attachment of this name and type is worth a look here; sounds and films are not."""
    kind = media_type.partition("/")[0]
    return is_picture(name) and reads_pictures() if kind == "image" else kind not in ("audio", "video")


@cache
def readable() -> str:
    """Name what can be read here: another name means that what could not be read before is worth another try."""
    from importlib.metadata import version

    able = [(known.suffixes, known.target, known.is_available) for known in all_formats()]
    return hashlib.sha256(repr((version("docqa"), able)).encode()).hexdigest()[:16]


def all_formats() -> Iterable[Format]:
    """Every format, docqa's own first."""
    return (*FORMATS, *foreign_formats().values())
