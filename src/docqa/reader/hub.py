"""Checkpoints on a hub, fetched into the hub's own cache. Nothing of them is run or unpickled here."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from docqa.reader.catalogue import no_reader

TIMEOUT_S = 10
# Where both are there the pickle is never even fetched.
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_VOCABULARIES = ("tokenizer.json", "vocab.txt")
_BESIDES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def fetch(name: str, revision: str | None = None, *, progress: bool = False) -> Path:
    """The folder in the hub's cache that holds a checkpoint, fetched if need be; it is called like the commit.

    What the cache has is taken as it is. Only a reader that was named explicitly gets here, so asking the hub
    is what the user wanted; a hub that does not answer fails within seconds. `progress` draws a bar on standard
    error. ReaderError if there is no such checkpoint or it cannot be had.
    """
    for limit in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        os.environ.setdefault(limit, str(TIMEOUT_S))
    # They take effect because nothing has imported the hub's library before.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", str(int(not progress)))
    try:
        folder = _cached(name, revision) or _download(name, revision)
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise no_reader(name, f"it could not be fetched from the hub ({reason})") from error
    if not _is_whole(folder):
        raise no_reader(name, f"it lacks {' or '.join(WEIGHTS)}, or {' or '.join(_VOCABULARIES)}")
    return folder


def _cached(name: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(name, "config.json", revision=revision)
    folder = Path(config).parent if isinstance(config, str) else None
    return folder if folder and _is_whole(folder) else None


def _download(name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download, model_info

    # Fails at once, where a download would try again for half a minute.
    info = model_info(name, revision=revision, timeout=TIMEOUT_S)
    present = {file.rfilename for file in info.siblings or ()}
    for file in _wanted(present):
        hf_hub_download(name, file, revision=revision)
    return Path(hf_hub_download(name, "config.json", revision=revision)).parent


def _wanted(present: Collection[str]) -> list[str]:
    weights = [name for name in WEIGHTS if name in present][:1]
    return [*weights, *(name for name in (*_VOCABULARIES, *_BESIDES) if name in present)]


def _is_whole(folder: Path) -> bool:
    return all(any((folder / name).is_file() for name in either) for either in (WEIGHTS, _VOCABULARIES))
