"""What is trained on: the mix from which docqa's readers are made, or files of one's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from docqa.errors import UsageError
from docqa.training.data import Source

# Of one's own files, how many held-out questions are asked to fit a ranking.
CALIBRATION = 400
_WEIGHTED = re.compile(r"(.+):([0-9]*\.?[0-9]+)")


def named(data: Sequence[str], distractors: float = 1.0, held_out: float = 0.1) -> list[Source]:
    """The sources that `data` names: files in SQuAD's format, or the folders of docqa's own recipe.

    The folder of the public sets alone is the recipe's first stage; with the folder of what was written for docqa
    after it, the second.

    A file's name may end in `:SHARE`, the share of its questions that each pass uses; above 1 some are used
    more than once. `held_out` is the share of each file's articles that is never trained on. UsageError if it
    names anything else.
    """
    match [Path(each) for each in data if Path(each).is_dir()]:
        case [public] if len(data) == 1:
            return first_stage(public)
        case [public, written] if len(data) == 2:
            return second_stage(public, written)
    found = [_own(each, distractors, held_out) for each in data]
    names = [source.file.stem for source in found]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"several of the data files are called {min(doubled)}; rename one")
    return found


def _own(name: str, distractors: float, held_out: float) -> Source:
    share = 1.0
    if not Path(name).is_file() and (weighted := _WEIGHTED.fullmatch(name)):
        name, share = weighted[1], float(weighted[2])
    if not Path(name).is_file():
        raise UsageError(f"{name} is no file; name files in SQuAD's format, or the folders of docqa's recipe")
    return Source(Path(name), "own data", share, distractors, held_out, calibration=CALIBRATION)


# One of the only two articles that come with questions written to deceive: a confidence has to meet some.
DECEPTIVE = ("The_Legend_of_Zelda:_Twilight_Princess",)

# How often a question is used in a pass of the second stage, which is about what was written for docqa.
SECOND_SHARES = {
    "squadshifts-new-wiki": 0.6,
    "squad-v2.0-train-10-articles": 0.6,
    "squadshifts-reddit": 0.25,
    "squadshifts-amazon": 0.25,
    "qamr": 0.03,
    "everyday": 0.35,
    "articles": 0.3,
}
# The public sets about whose paragraphs more questions were written for docqa.
ASKED_MORE = (
    "squadshifts-new-wiki",
    "squad-v2.0-train-10-articles",
    "squadshifts-reddit",
    "squadshifts-amazon",
)
# How many of the documents written for docqa that only look right come with a question about them, on average.
OWN_DISTRACTORS = 0.5


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


def second_stage(data: Path, written: Path) -> list[Source]:
    """The same files with more distractors, and those in the folder `written`, made for docqa.

    They are everyday documents and articles, each in one file to train on and one that is held out, and more
    questions about the articles of the public sets.
    """
    public = [
        replace(
            source,
            share=SECOND_SHARES[source.file.stem],
            distractors=2 * source.distractors,
            more=written / "questions" / source.file.name if source.file.stem in ASKED_MORE else None,
        )
        for source in first_stage(data)
    ]
    return [*public, *_written(written / "everyday.json"), *_written(written / "articles.json")]


def _written(file: Path) -> list[Source]:
    held_out = file.with_stem(f"{file.stem}-held-out")
    origin = "written for docqa, Apache-2.0"
    trained = Source(file, origin, SECOND_SHARES[file.stem], OWN_DISTRACTORS)
    return [trained, Source(held_out, origin, held_out=1.0, calibration=600)]
