"""Pictures: the text in them, if there is any; several in one file are pages."""

from __future__ import annotations

import io

from PIL import Image, ImageOps, ImageSequence

from docqa.errors import ExtractionError
from docqa.extract.draft import Draft
from docqa.extract.recognition import MAX_PIXELS, recognised
from docqa.records import Extraction

_MAX_PAGES = 1_000


def extract(data: bytes) -> Extraction:
    """Return the text recognised in a picture; raises `ExtractionError` if it is too large."""
    draft = Draft()
    with Image.open(io.BytesIO(data)) as picture:
        count = getattr(picture, "n_frames", 1)
        if picture.width * picture.height > MAX_PIXELS:
            raise ExtractionError(f"larger than {MAX_PIXELS // 1_000_000} megapixels")
        for number, page in enumerate(ImageSequence.Iterator(picture), start=1):
            if number > _MAX_PAGES:
                draft.remark(f"only the first {_MAX_PAGES:,} of {count:,} pictures in it were read")
                break
            if count > 1:
                draft.mark("page", str(number))
            # Cameras turn the picture by a note instead of turning it.
            draft.block(recognised(ImageOps.exif_transpose(page)))
    return draft.finish()
