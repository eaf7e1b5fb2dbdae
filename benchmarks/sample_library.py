"""How the sample library that ships with docqa is answered: from the right file, and with the right words.

Everyday documents in many formats, with questions about them and some that they do not answer. The goal is
set beside each figure.
"""

from __future__ import annotations

import argparse

import harness

from docqa.evaluation.sample_library import evaluate_sample_library, read_questions
from docqa.reader.choices import DEFAULT_EFFORT, EFFORTS

FILE_FIRST_GOAL = 0.90


def benchmark(arguments: argparse.Namespace) -> harness.Table:
    data = harness.REPOSITORY / "data"
    report = evaluate_sample_library(
        data / "library",
        read_questions(data / "questions.json"),
        count=arguments.sample,
        reader=arguments.reader or "shipped",
        precision=arguments.precision,
        effort=arguments.effort,
        progress=harness.progress("questions"),
    )
    met = "met" if report.file_first >= FILE_FIRST_GOAL else "missed"
    table = harness.Table(
        f"Sample library: {report.answerable} answerable and {report.unanswerable} unanswerable questions; "
        f"reader {report.reader} in {report.precision}",
        ("measure, %", "docqa", "goal"),
        [
            ("first answer in a right file", harness.percent(report.file_first), f">= 90, {met}"),
            ("F1 of the first answer", harness.percent(report.f1), "-"),
            ("exact match of the first answer", harness.percent(report.exact), "-"),
            ("first answer right (F1 >= 0.8)", harness.percent(report.right), "-"),
            ("the same, and not withheld", harness.percent(report.right_given), "-"),
            ("unanswerable questions refused", harness.percent(report.refused), "-"),
        ],
        details={"report": report},
    )
    if arguments.misses:
        table.remarks += [
            f"missed: {outcome.question} | {outcome.answer!r} from {outcome.file} | gold {outcome.gold[0]!r}"
            for outcome in report.outcomes
            if outcome.gold and (not outcome.in_right_file or outcome.f1 < 0.8)
        ]
    return table


if __name__ == "__main__":
    parser = harness.options(__doc__)
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--effort", choices=EFFORTS, default=DEFAULT_EFFORT, help="how hard to try (%(default)s)")
    parser.add_argument("--misses", action="store_true", help="list the answers that are not right")
    harness.run(benchmark, parser)
