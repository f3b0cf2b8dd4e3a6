"""Checks lengths of functions, classes and files, and names of classes: ``python -m tools.budgets`` in ``make check``.

A line counts from the first to the last one of a definition, with its docstring and without its decorators.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

FUNCTION, CLASS, FILE = 40, 200, 400  # lines
METHODS = 20  # of a class
PRODUCT = ("cli", "handlers", "plugin", "netlink")  # here classes count too
ALL = (*PRODUCT, "tests", "tools", "bench")


def excesses(file: Path, text: str, *, classes: bool) -> Iterator[str]:
    """Yield a sentence about each definition in ``text`` that is too large."""
    lines = text.count("\n")
    if lines > FILE:
        yield f"{file}: {lines} lines; a file has at most {FILE}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _excess(file, node, "function", FUNCTION)
        elif isinstance(node, ast.ClassDef) and classes:
            yield from _excess(file, node, "class", CLASS)
            methods = sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body)
            if methods > METHODS:
                yield f"{file}:{node.lineno}: class {node.name} has {methods} methods; a class has at most {METHODS}"


def _excess(
    file: Path, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, kind: str, most: int
) -> Iterator[str]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines > most:
        yield f"{file}:{node.lineno}: {kind} {node.name} has {lines} lines; a {kind} has at most {most}"


def ambiguities(root: Path) -> Iterator[str]:
    """Yield a sentence about each public class name that two files give; a protocol may share its implementation's."""
    places: dict[str, list[Path]] = defaultdict(list)
    for file in (file for folder in PRODUCT for file in sorted((root / folder).rglob("*.py"))):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not _is_protocol(node):
                places[node.name].append(file.relative_to(root))
    for name, files in places.items():
        if len(files) > 1:
            yield f"class {name} is in {' and in '.join(map(str, files))}; a public name has one meaning"


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def complaints(root: Path) -> Sequence[str]:
    """Return a sentence for each definition below ``root`` that is too large, and for each ambiguous name."""
    found = [
        excess
        for folder in ALL
        for file in sorted((root / folder).rglob("*.py"))
        for excess in excesses(file.relative_to(root), file.read_text(), classes=folder in PRODUCT)
    ]
    return [*found, *ambiguities(root)]


if __name__ == "__main__":
    wrong = complaints(Path())
    print("\n".join(wrong) or "budgets kept")
    sys.exit(bool(wrong))
