"""The mixes of data from which docqa's readers are trained, and where each part comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from docqa.training.data import Source

# One of the only two articles that come with questions written to deceive: a confidence has to meet some.
DECEPTIVE = ("The_Legend_of_Zelda:_Twilight_Princess",)

# How often a question is used in a pass of the second stage, which is short and looks at what people keep.
SECOND_SHARES = {
    "squadshifts-new-wiki": 0.4,
    "squad-v2.0-train-10-articles": 0.6,
    "squadshifts-reddit": 0.1,
    "squadshifts-amazon": 0.1,
    "qamr": 0.05,
    "everyday": 2.0,
}


def first_stage(data: Path) -> list[Source]:
    """The files in the folder `data` with their shares, for turning an encoder into a reader.

    Questions about posts and reviews often fit other posts as well, so they get fewer distractors, and few of
    them are asked to fit a ranking. QAMR's 33,000 short questions would outnumber the rest in training; a
    ranking learns nothing from them, because asked of a library most of them fit many sentences.
    """
    shifts = "SQuADShifts (Miller et al. 2020), CC BY 4.0"
    squad = "SQuAD 2.0 (Rajpurkar et al. 2018), CC BY-SA 4.0"
    qamr = "QAMR (Michael et al. 2018), MIT"
    return [
        Source(data / "squadshifts-new-wiki.json", shifts, 1.0, 0.5, 0.125, calibration=400),
        Source(data / "squad-v2.0-train-10-articles.json", squad, 1.0, 0.5, 0.1, "article", 400, DECEPTIVE),
        Source(data / "squadshifts-reddit.json", shifts, 1.0, 0.2, 0.06, "paragraph", 80),
        Source(data / "squadshifts-amazon.json", shifts, 1.0, 0.2, 0.06, "paragraph", 80),
        Source(data / "qamr.json", qamr, 0.5, 0.0, 0.1, "paragraph"),
    ]


def second_stage(data: Path, everyday: Path) -> list[Source]:
    """The same files with more distractors, and the file `everyday` of documents such as people keep."""
    own = Source(everyday, "written for docqa, Apache-2.0", 1.0, 0.5, 0.12, "article", 300)
    return [
        replace(source, share=SECOND_SHARES[source.file.stem], distractors=2 * source.distractors)
        for source in [*first_stage(data), own]
    ]


def sources(data: Path, everyday: Path | None) -> list[Source]:
    """The second stage's sources if its file is given, else the first's."""
    return first_stage(data) if everyday is None else second_stage(data, everyday)
