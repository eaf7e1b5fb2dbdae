"""End to end: a SQuAD-format set as a library of text files, every question asked of all of it.

Beside the figures stands what the same reader reaches on the same questions when the gold paragraph is given,
which is what finding the passage and choosing among passages cost. With --distractors all training sets are
indexed beside the articles and never asked about.
"""

from __future__ import annotations

import argparse

import harness

from docqa.engine import DocQA
from docqa.evaluation.datasets import Article, Paragraph, SquadSet, read_squad, sample
from docqa.evaluation.library import LibraryReport, evaluate_library
from docqa.evaluation.reading import ReadingReport, evaluate_reading
from docqa.reader.choices import DEFAULT_EFFORT, EFFORTS


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    squad = read_squad(harness.data_path(arguments.data, harness.SETS[arguments.set]))
    beside: list[SquadSet] = []
    if arguments.distractors:
        beside = [read_squad(file) for file in sorted(harness.data_path(arguments.data, "train").glob("*.json"))]
    report = evaluate_library(
        squad,
        distractors=beside,
        count=arguments.sample,
        reader=arguments.reader or "shipped",
        precision=arguments.precision,
        effort=arguments.effort,
        top=arguments.top,
        passages=arguments.passages,
        progress=harness.progress("library"),
    )
    reader = DocQA(reader=arguments.reader or "shipped", precision=arguments.precision).reader
    gold = evaluate_reading(reader, _asked(squad, arguments.sample), progress=harness.progress("gold paragraph"))
    return _table(report, gold, [each.name for each in beside])


def _asked(squad: SquadSet, count: int | None) -> SquadSet:
    """The very questions that the library was asked, each with its paragraph."""
    asked = sample(list(squad.questions()), count)
    return SquadSet(
        squad.name, (Article("", tuple(Paragraph(paragraph.text, (question,)) for paragraph, question in asked)),)
    )


def _table(report: LibraryReport, gold: ReadingReport, beside: list[str]) -> harness.Table:
    def ratio(figure: float, reference: float) -> str:
        return f"{figure / reference:.3f}" if reference else "-"

    table = harness.Table(
        f"Library: {report.name}, {report.documents} documents, {report.passages} passages; "
        f"{report.answerable} answerable and {report.unanswerable} unanswerable questions; "
        f"reader {report.reader} in {report.precision}, {report.passages_read} passages read",
        ("measure, %", "docqa, library", "gold paragraph", "ratio"),
        [
            (
                "F1 of the first answer",
                harness.percent(report.f1),
                harness.percent(gold.f1),
                ratio(report.f1, gold.f1),
            ),
            (
                "exact match of the first answer",
                harness.percent(report.exact),
                harness.percent(gold.exact),
                ratio(report.exact, gold.exact),
            ),
        ],
        details={"report": report, "gold_paragraph": gold, "distractors": beside},
    )
    measures = [
        ("first answer right (F1 >= 0.8)", report.right_first),
        (f"right among {report.top}", report.right_among),
        ("gold paragraph found at 1", report.recall_at_1),
        ("gold paragraph found at 5", report.recall_at_5),
        ("gold paragraph found at 10", report.recall_at_10),
        ("gold paragraph found at 20", report.recall_at_20),
        ("calibration error (10 bins of equal width)", report.calibration_error),
        ("risk-coverage area", report.risk_coverage_area),
    ]
    if report.unanswerable:
        measures += [
            ("unanswerable questions refused", report.refused or 0.0),
            ("exact match at the best threshold, all questions", report.best_exact.score),
            ("F1 at the best threshold, all questions", report.best_f1.score),
        ]
    table.rows += [(name, harness.percent(share), "-", "-") for name, share in measures]
    table.rows.append(("median time of a question, ms", f"{report.ms:.0f}", "-", "-"))
    if beside:
        table.remarks.append(f"Indexed beside the set: {', '.join(beside)}.")
    return table


if __name__ == "__main__":
    parser = harness.options(__doc__)
    parser.add_argument("--set", choices=harness.SETS, default="squad-v1.1", help="the set to ask about (%(default)s)")
    parser.add_argument("--distractors", action="store_true", help="index all of train/ beside it")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--effort", choices=EFFORTS, default=DEFAULT_EFFORT, help="how hard to try (%(default)s)")
    parser.add_argument("--top", type=int, default=5, help="answers to look at (%(default)s)")
    parser.add_argument("--passages", type=int, default=10, help="passages to read (%(default)s)")
    harness.run(benchmark, parser)
