"""What Word, PowerPoint and Excel files have in common: parts that refer to each other by relations."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from docqa.errors import ExtractionError
from docqa.extract.package import Package, attribute, resolve


def main_part(package: Package) -> str:
    """Return the name of the part where reading begins; raises `ExtractionError` if there is none."""
    for target in related(package, "", "officeDocument"):
        return target
    raise ExtractionError("not an office document")


def related(package: Package, part: str, kind: str) -> Iterator[str]:
    """Yield the names of the parts that a part has a relation of this kind to."""
    for relation in _relations(package, part):
        if relation.get("Type", "").rpartition("/")[2] == kind:
            yield resolve(part, relation.get("Target", ""))


def referred(package: Package, part: str, elements: list[Any]) -> Iterator[tuple[Any, str]]:
    """Yield each element with the name of the part that its `r:id` means."""
    targets = {relation.get("Id"): resolve(part, relation.get("Target", "")) for relation in _relations(package, part)}
    for element in elements:
        target = targets.get(attribute(element, "id"))
        if target is not None and target in package:
            yield element, target


def _relations(package: Package, part: str) -> list[Any]:
    folder, name = posixpath.split(part)
    relations = posixpath.join(folder, "_rels", f"{name}.rels")
    if relations not in package:
        return []
    return [each for each in package.xml(relations) if each.get("TargetMode") != "External"]
