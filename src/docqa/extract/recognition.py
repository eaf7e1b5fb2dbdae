"""Text in pictures: PaddleOCR's models through RapidOCR on ONNX Runtime.

The models come inside the package and are named one by one, so that nothing is ever fetched.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rapidocr
from PIL import Image

from docqa.errors import ExtractionError
from docqa.extract.layout import Box, read_in_order

MAX_PIXELS = 100_000_000


def recognised(picture: Image.Image) -> str:
    """Return the text in a picture, paragraph by paragraph; empty if there is none.

    Raises `ExtractionError` if the picture is too large.
    """
    if picture.width * picture.height > MAX_PIXELS:
        raise ExtractionError(f"larger than {MAX_PIXELS // 1_000_000} megapixels")
    # RapidOCR takes an array for what OpenCV reads: blue, green, red.
    found = _engine()(np.asarray(picture.convert("RGB"))[:, :, ::-1])
    if found.boxes is None or not found.txts:
        return ""
    boxes = [
        Box(text, *np.min(corners, axis=0).tolist(), *np.max(corners, axis=0).tolist())
        for text, corners in zip(found.txts, found.boxes, strict=True)
        if text.strip()
    ]
    return read_in_order(boxes)


@cache
def _engine() -> Any:
    folder = Path(rapidocr.__file__).parent / "models"
    models = {"Det": "*_det_*.onnx", "Cls": "*_cls_*.onnx", "Rec": "*_rec_*.onnx"}
    # A child process has one core's worth of time; its fellows use the others.
    params: dict[str, Any] = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    for part, pattern in models.items():
        model = next(iter(sorted(folder.glob(pattern))), None)
        if model is None:
            raise ExtractionError(
                "needs docqa[ocr] anew, its models are missing: pip install --force-reinstall rapidocr"
            )
        params[f"{part}.model_path"] = str(model)
    return rapidocr.RapidOCR(params=params)
