"""Records as text for people. Whatever comes from a document passes through docqa.display."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docqa.display import counted, made_by_docqa, one_line, printable, size, worth_showing
from docqa.reader.choices import EFFORTS, Effort
from docqa.records import (
    Answer,
    Document,
    Explanation,
    Health,
    IndexReport,
    Match,
    Result,
    Root,
    Source,
    Status,
    Verdict,
)

if TYPE_CHECKING:
    from docqa.evaluation.gold import GoldReport
    from docqa.evaluation.library import LibraryReport
    from docqa.evaluation.reading import ReadingReport, UnanswerableReport
    from docqa.evaluation.retrieval import RetrievalReport
    from docqa.ranking import Ranking
    from docqa.reader.catalogue import ReaderEntry
    from docqa.reader.lengths import LengthTable

SNIPPET_CHARACTERS = 300
LISTED_SOURCES = 5
LISTED_ENTRIES = 20
LISTED_PARTS = 4

_STATES = {"changed": "changed since it was indexed", "gone": "no longer there"}


def wants_color(choice: str) -> bool | None:
    """Translate --color for click: None leaves the decision to whether the output is a terminal."""
    if choice == "auto":
        return False if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" else None
    return choice == "always"


def narrate(text: str) -> None:
    """Say something to the person, beside the data."""
    click.echo(click.style(printable(text), dim=True), err=True)


def result(found: Result, *, titled: bool = False) -> str:
    """Render the answers to a question, or that there are none; `titled` puts the question above them."""
    title = click.style(one_line(found.question), underline=True) + "\n\n" if titled else ""
    if found.answers:
        shown = enumerate(worth_showing(found.answers), 1)
        return title + "\n".join(_answer(number, answer) for number, answer in shown)
    if not found.passages:
        return f"{title}Not in your documents: no passage matches the question.\n"
    return f"{title}Not in your documents. These passages come closest:\n\n{matches(found.passages)}"


def _answer(number: int, answer: Answer) -> str:
    first = answer.sources[0]
    # Two quotes that a person would look for at the same place are one place.
    place, *others = dict.fromkeys(map(_location, answer.sources))
    confidence = click.style(f"{answer.confidence:.0%}", dim=True)
    lines = [
        f"{number}. {click.style(one_line(answer.text), bold=True)}  {confidence}",
        f"   {_quoted(first)}",
        f"   {place}",
        *(f"   also {other}" for other in others[:LISTED_SOURCES]),
    ]
    if len(others) > LISTED_SOURCES:
        lines.append(f"   and in {counted(len(others) - LISTED_SOURCES, 'more place')}")
    if answer.explanation is not None:
        lines += [click.style(f"   {line}", dim=True) for line in _explanation(answer.explanation)]
    return "\n".join(lines) + "\n"


def _explanation(why: Explanation) -> Iterator[str]:
    yield f"terms   {one_line(', '.join(why.terms))}"
    yield f"logits  start {why.start_logit:.2f}, end {why.end_logit:.2f}; no answer {why.null_logit:.2f}"
    parts = [f"{each.feature} {each.contribution:+.2f}" for each in why.evidence if each.weight]
    yield f"score   {why.score:.2f}: {', '.join(parts)}"
    kept = ", ".join(map(str, why.kept)) if min(why.kept) < why.tokens else "all"
    yield f"tokens  {why.tokens}; {kept} kept by the {len(why.kept)} layers"


def _quoted(source: Source) -> str:
    """The context with the quote marked."""
    start, end = source.start - source.context_start, source.end - source.context_start
    before, quote, after = source.context[:start], source.context[start:end], source.context[end:]
    spaced = before[-1:].isspace(), after[:1].isspace()
    marked = click.style(one_line(quote), fg="green", bold=True)
    return f"{one_line(before)}{' ' * spaced[0]}{marked}{' ' * spaced[1]}{one_line(after)}"


def _location(source: Source) -> str:
    parts = [click.style(path(source.path), fg="cyan")]
    if source.page is not None:
        parts.append(f"page {source.page}")
    if source.line is not None:
        parts.append(f"line {source.line}")
    if source.cell is not None:
        parts.append(f"cell {one_line(source.cell)}")
    if source.heading:
        parts.append(one_line(source.heading))
    if source.state != "unchanged":
        parts.append(click.style(_STATES[source.state], fg="yellow"))
    return ", ".join(parts)


def path(name: str) -> str:
    """Render a path, relative to where the person stands if it is below."""
    try:
        here = str(Path.cwd()) + os.sep
    except FileNotFoundError:  # the folder has been deleted under the person's feet
        return one_line(name)
    return one_line(name.removeprefix(here))


def matches(found: Sequence[Match]) -> str:
    """Render passages with their scores and beginnings."""
    return "\n".join(
        f"{number}. {_location(match.source)}  {click.style(f'{match.score:.1f}', dim=True)}\n"
        f"   {_shortened(one_line(match.source.context))}\n"
        for number, match in enumerate(found, 1)
    )


def _shortened(line: str) -> str:
    return line if len(line) <= SNIPPET_CHARACTERS else line[:SNIPPET_CHARACTERS].rsplit(" ", 1)[0] + " …"


def text(content: str) -> str:
    """Render a document's text."""
    return printable(content)


def report(done: IndexReport) -> str:
    """Render the outcome of an index run in two lines."""
    moved = f"{done.moved} moved, " if done.moved else ""
    return (
        f"{done.indexed} indexed, {done.unchanged} unchanged, {moved}{done.removed} removed,"
        f" {len(done.skipped)} skipped in {done.seconds:.1f} s\n"
        f"{path(done.library)} holds {counted(done.documents, 'document')} in {counted(done.passages, 'passage')}"
    )


def status(found: Status) -> str:
    """Render what a library holds."""
    lines = [
        f"library    {path(found.library)} ({size(found.bytes)})",
        f"documents  {found.documents:,}",
        f"passages   {found.passages:,}",
        f"text       {found.characters:,} characters",
    ]
    for title, rows in (("remarks", found.remarks), ("skipped", found.skipped)):
        if rows:
            lines.append(f"{title}:")
            lines += [f"  {path(name)}: {one_line(what)}" for name, what in rows]
    return "\n".join(lines)


def health(found: Health) -> str:
    """Render what a thorough look at a library found, each kind of finding with what to do about it."""
    lines = [
        f"library    {path(found.library)} ({size(found.bytes)}{_parts(found.parts)})",
        f"soundness  {'no problem found' if found.sound else click.style('damaged', fg='red')}",
    ]
    for finding in found.findings:
        lines += ["", f"{click.style(finding.title, bold=True)} ({len(finding.entries):,})"]
        for name, what in finding.entries[:LISTED_ENTRIES]:
            lines.append(f"  {path(name)}: {one_line(what)}" if name else f"  {one_line(what)}")
        if len(finding.entries) > LISTED_ENTRIES:
            lines.append(f"  and {len(finding.entries) - LISTED_ENTRIES:,} more, which --json lists")
        lines.append(click.style(f"  → {finding.advice}", dim=True))
    return "\n".join(lines)


def _parts(parts: Sequence[tuple[str, int]]) -> str:
    """The largest parts of a library file, and the others together."""
    largest = made_by_docqa(parts)[:LISTED_PARTS]
    shown = [f"{one_line(name)} {size(taken)}" for name, taken in largest]
    if rest := sum(taken for _, taken in parts) - sum(taken for _, taken in largest):
        shown.append(f"other {size(rest)}")
    return f": {', '.join(shown)}" if shown else ""


def documents(found: Sequence[Document]) -> str:
    """Render a list of documents, one a line: size, passages, format as `docqa formats` names it, path."""
    from docqa.extract.formats import FORMATS

    names = {each.media_type: each.name for each in FORMATS}
    kinds = [one_line(names.get(each.media_type, each.media_type)) for each in found]
    width = max(map(len, kinds), default=0)
    return "".join(
        f"{size(each.size):>9}  {each.passages:>6,} {'passage ' if each.passages == 1 else 'passages'}  {kind:<{width}}"
        f"  {path(each.path)}\n"
        for each, kind in zip(found, kinds, strict=True)
    )


def roots(found: Sequence[Root]) -> str:
    """Render the folders that a library is kept current with, one a line, with their patterns."""
    lines = []
    for each in found:
        notes = [counted(each.documents, "document"), *(f"include {one_line(glob)}" for glob in each.include)]
        notes += [f"exclude {one_line(glob)}" for glob in each.exclude]
        if not each.present:
            notes.append(click.style("not there", fg="yellow"))
        lines.append(f"{path(each.path)}: {', '.join(notes)}")
    return "\n".join(lines) or "The library knows no folder yet; name one: docqa index FOLDER"


def removed(paths: Sequence[str]) -> str:
    """Render what was taken out of the library."""
    return "\n".join(f"removed {path(each)}" for each in paths) or "Nothing there was in the library."


def forgotten(root: str, gone: Sequence[str], *, kept: bool) -> str:
    """Render that a root is known no more, and which documents have left with it."""
    if gone:
        return removed(gone)
    return f"{path(root)} is forgotten; {'its documents stay' if kept else 'it had no documents'}"


def verdicts(found: Sequence[Verdict]) -> str:
    """Render a gold set, one entry a line."""
    lines = []
    for each in found:
        said = "no answer" if each.text is None else f"{'right' if each.accepted else 'wrong'}: {one_line(each.text)}"
        place = f"  ({path(each.path)})" if each.path else ""
        lines.append(f"{each.id:>4}  {one_line(each.question)}  {click.style(said, bold=True)}{place}")
    return "\n".join(lines) or "The gold set is empty."


def gold_report(report: GoldReport) -> str:
    """Render how a gold set was answered, in one line."""
    error = "" if report.calibration_error is None else f", calibration error {report.calibration_error:.3f}"
    return (
        f"{report.right} of {report.answerable} answerable questions right, {report.given} answered;"
        f" {report.refused} of {report.unanswerable} unanswerable ones refused{error}"
    )


def library_report(report: LibraryReport) -> str:
    """Render how a library of a data set was answered, with the reliability of its confidences."""
    rows = [
        ("questions", f"{report.answerable} answerable, {report.unanswerable} not"),
        ("recall of the gold paragraph", f"@1 {report.recall_at_1:.3f}  @5 {report.recall_at_5:.3f}"),
        ("first answer", f"EM {100 * report.exact:.2f}  F1 {100 * report.f1:.2f}"),
        (f"right among the first {report.top}", f"{report.right_among:.3f}"),
        ("calibration error", f"{report.calibration_error:.3f}"),
        ("area under risk and coverage", f"{report.risk_coverage_area:.3f}"),
        ("right of the surer half", f"{report.right_of_surer_half:.3f}"),
    ]
    rows.append(("answerable ones answered", f"{report.given:.3f}"))
    if report.refused is not None:
        rows.append(("unanswerable ones refused", f"{report.refused:.3f}"))
    rows.append(("confidence and share right", "(a bar for the share, and how many answers)"))
    for each in report.reliability:
        bar = "█" * round(20 * each.right)
        rows.append((f"  {each.confidence:.2f}", f"{each.right:.2f} {bar:<20} {each.answers}"))
    return "\n".join(f"{name:<32}{value}" for name, value in rows)


def reading_report(report: ReadingReport) -> str:
    """Render how a reader answered with the right paragraphs given, over all and kind by kind."""
    lengths = "" if report.lengths is None else f", lengths {','.join(f'{share:g}' for share in report.lengths)}"
    rows = [("all", report.questions, report.exact, report.f1)]
    rows += [(row.name, row.questions, row.exact, row.f1) for row in (*report.by_kind, *report.by_words)]
    lines = [
        f"{one_line(report.reader)}, {report.precision}{lengths}",
        f"{'answerable questions':<24}{'number':>8}{'EM':>8}{'F1':>8}",
        *(f"{name:<24}{number:>8}{100 * exact:>8.2f}{100 * f1:>8.2f}" for name, number, exact, f1 in rows),
    ]
    if report.unanswerable is not None:
        lines += _unanswerable(report.unanswerable)
    return "\n".join(lines)


def _unanswerable(report: UnanswerableReport) -> list[str]:
    rows = [
        ("as the reader decides", report.questions, report.exact, report.f1),
        ("  answerable", report.questions - report.unanswerable, report.answerable_exact, report.answerable_f1),
        ("  unanswerable", report.unanswerable, report.refused, report.refused),
        ("at the best threshold", report.questions, report.best_exact.score, report.best_f1.score),
    ]
    return [
        f"{'all, by SQuAD 2.0':<24}{'number':>8}{'EM':>8}{'F1':>8}",
        *(f"{name:<24}{number:>8}{100 * exact:>8.2f}{100 * f1:>8.2f}" for name, number, exact, f1 in rows),
        f"(thresholds on the probability of no answer: {report.best_exact.threshold:.3f} for EM, "
        f"{report.best_f1.threshold:.3f} for F1; chosen on these very questions)",
    ]


def retrieval_report(report: RetrievalReport) -> str:
    """Render how the documents of a task were ranked."""
    rows = [
        ("queries", f"{report.queries}"),
        ("nDCG@10", f"{report.ndcg_at_10:.3f}"),
        ("reciprocal rank", f"{report.reciprocal_rank:.3f}"),
        ("recall@1", f"{report.recall_at_1:.3f}"),
        ("recall@5", f"{report.recall_at_5:.3f}"),
        ("recall@20", f"{report.recall_at_20:.3f}"),
        ("recall@100", f"{report.recall_at_100:.3f}"),
    ]
    return "\n".join(f"{name:<18}{value}" for name, value in rows)


def readers(found: Sequence[ReaderEntry]) -> str:
    """Render a list of readers, one a line, with a star at the one in use."""
    width = max(len(one_line(each.name)) for each in found)
    return "\n".join(
        f"{'*' if each.in_use else ' '} {one_line(each.name):<{width}}  {size(each.bytes):>7}"
        f"  {_model(each)}  {_origin(each)}"
        for each in found
    )


def reader(found: ReaderEntry, ranking: Ranking | None, lengths: LengthTable | None) -> str:
    """Render what is known of a reader; `ranking` and `lengths` are None where its folder has none."""
    fitted = "none fitted: confidences say little until docqa calibrate has seen a gold set"
    if ranking is not None:
        fitted = f"fitted; an answer counts from a confidence of {ranking.least_confidence:.0%} on"
    lines = [
        ("reader", f"{one_line(found.name)}{', in use' if found.in_use else ''}"),
        ("reports as", one_line(found.title)),
        ("folder", f"{path(found.folder)} ({size(found.bytes)})"),
        ("model", _model(found)),
        ("source", _origin(found)),
        ("digest", one_line(found.digest or "none")),
        ("ranking", fitted),
        ("lengths", "none measured; docqa reader tune does it" if lengths is None else _measured(lengths)),
    ]
    if found.source is not None:
        lines.insert(5, ("converted", one_line(f"{found.source.converted} by docqa {found.source.docqa}")))
    return "\n".join(f"{name:<12}{value}" for name, value in lines)


def _measured(table: LengthTable) -> str:
    """What the efforts cost and bring by a table."""
    efforts: tuple[Effort, ...] = ("fast", "balanced")
    chosen = [(effort, table.choose(effort)) for effort in efforts]
    told = "; ".join(f"{effort} {row.time:.2f} of the time, F1 {100 * row.f1:.1f}" for effort, row in chosen)
    origin = f"measured on {one_line(table.measured_on)}, {table.questions} questions"
    return f"{origin}; F1 {100 * table.full.f1:.1f} in full\n{'':12}{told}"


def lengths_table(table: LengthTable, file: Path) -> str:
    """Render a measured table, the dearest configuration first, and what each effort takes from it."""
    chosen: dict[tuple[float, ...], list[str]] = {}
    for effort in EFFORTS:
        chosen.setdefault(table.choose(effort).shares, []).append(effort)
    lines = ["   F1     EM   time   cost  share of tokens kept by each layer"]
    for row in sorted(table.rows, key=lambda row: -row.cost):
        shares = " ".join(f"{share:.2f}" for share in row.shares)
        marks = f"  {', '.join(chosen[row.shares])}" if row.shares in chosen else ""
        lines.append(f"{100 * row.f1:5.1f}  {100 * row.exact:5.1f}  {row.time:5.2f}  {row.cost:5.2f}  {shares}{marks}")
    lines += [f"{100 * reached:5.1f}  in {one_line(name)}" for name, reached in table.precisions.items()]
    lines.append(f"{counted(table.questions, 'question')}; kept in {path(str(file))}")
    return "\n".join(lines)


def added_reader(found: ReaderEntry, *, ranked: bool) -> str:
    """Render that a reader was added, and what to do next."""
    lines = [f"{one_line(found.name)} added: {_model(found)}, {size(found.bytes)}"]
    lines.append(
        "it answers from now on"
        if found.in_use
        else f"docqa reader use {shlex.quote(one_line(found.name))} lets it answer"
    )
    if not ranked:
        lines.append("its confidences say little until docqa calibrate has fitted them to a gold set of yours")
    return "\n".join(lines)


def _model(found: ReaderEntry) -> str:
    return one_line(found.problem) if found.problem else f"{found.layers} layers, width {found.width}"


def _origin(found: ReaderEntry) -> str:
    from docqa.reader.catalogue import SHIPPED

    if found.source is None:
        return f"{one_line(found.title)}, ships with docqa" if found.name == SHIPPED else "source not known"
    parts = [found.source.origin, found.source.revision, found.source.commit and f"commit {found.source.commit[:12]}"]
    return one_line(", ".join(part for part in parts if part))


@contextmanager
def counting(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something has come, on a terminal; yields a function of the number done and the total."""
    if not is_terminal():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=0, label=label, file=sys.stderr) as bar:

        def advance(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield advance


def is_terminal() -> bool:
    """Whether narration goes to a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
