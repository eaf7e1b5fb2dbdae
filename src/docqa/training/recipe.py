"""The mix of data from which docqa's readers are trained, and where each part comes from."""

from __future__ import annotations

from pathlib import Path

from docqa.training.data import Source

# One of the only two articles that come with questions written to deceive: a confidence has to meet some.
DECEPTIVE = ("The_Legend_of_Zelda:_Twilight_Princess",)


def sources(data: Path, distractors: float = 1.0) -> list[Source]:
    """The training files in the folder `data`, with their shares, and `distractors` a question of an article.

    Questions about posts and reviews often fit other posts as well, so they get fewer distractors, and few of
    them are asked to fit a ranking. QAMR's 33,000 short questions would outnumber the rest in training; a
    ranking learns nothing from them, because asked of a library most of them fit many sentences.
    """
    shifts = "SQuADShifts (Miller et al. 2020), CC BY 4.0"
    squad = "SQuAD 2.0 (Rajpurkar et al. 2018), CC BY-SA 4.0"
    qamr = "QAMR (Michael et al. 2018), MIT"
    return [
        Source(data / "squadshifts-new-wiki.json", shifts, 1.0, distractors, 0.125, calibration=400),
        Source(
            data / "squad-v2.0-train-10-articles.json",
            squad,
            1.0,
            distractors,
            0.1,
            calibration=400,
            also_held_out=DECEPTIVE,
        ),
        Source(data / "squadshifts-reddit.json", shifts, 1.0, 0.4 * distractors, 0.06, "paragraph", calibration=80),
        Source(data / "squadshifts-amazon.json", shifts, 1.0, 0.4 * distractors, 0.06, "paragraph", calibration=80),
        Source(data / "qamr.json", qamr, 0.5, held_out=0.1, documents="paragraph"),
    ]
