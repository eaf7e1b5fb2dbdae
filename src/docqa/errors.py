"""What can go wrong, as one tree.

DocqaError
├── UsageError            the request itself cannot be served: an empty question, a path that is not there
├── ExtractionError       one file cannot be read; the run goes on without it
└── Unavailable           something docqa needs is not there or not sound
    ├── LibraryError      the library file
    │   └── LibraryBusy   somebody else is writing to it
    └── ReaderError       the reader model

Every message says what happened, to which file, and what to do about it. The command line turns
UsageError into exit code 2 and Unavailable into exit code 3.
"""


class DocqaError(Exception):
    """Any failure docqa expects; its message is meant for the person who asked."""


class UsageError(DocqaError):
    """The request cannot be served as it was put."""


class ExtractionError(DocqaError):
    """One file yields no text; its message is the reason shown in the list of skipped files."""


class Unavailable(DocqaError):
    """A part that docqa needs is missing or damaged."""


class LibraryError(Unavailable):
    """The library file is missing, foreign, damaged, or written by a newer docqa."""


class LibraryBusy(LibraryError):
    """Another process is indexing into this library."""


class ReaderError(Unavailable):
    """The reader model is missing, incomplete, altered, or of an architecture docqa cannot run."""
