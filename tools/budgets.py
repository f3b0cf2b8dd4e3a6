"""Checks how long functions, classes and files may be: ``python -m tools.budgets``, a part of ``make check``.

A line counts from the first to the last one of a definition, with its docstring and without its decorators.
"""

import ast
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

FUNCTION, CLASS, FILE = 40, 200, 400  # lines
METHODS = 20  # of a class
PRODUCT = ("cli", "handlers", "plugin", "netlink")  # here classes count too
ALL = (*PRODUCT, "tests", "tools", "bench")

# Classes that are being cut. One that keeps its budget again is an error here, so that this list only gets shorter.
EXCEPTIONS: frozenset[str] = frozenset()


def excesses(file: Path, text: str, *, classes: bool) -> Iterator[tuple[str, str]]:
    """Yield the name of each thing in ``text`` that is too large, "FILE" or "FILE:NAME", and a sentence about it."""
    lines = text.count("\n")
    if lines > FILE:
        yield str(file), f"{file}: {lines} lines; a file has at most {FILE}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _excess(file, node, "function", FUNCTION)
        elif isinstance(node, ast.ClassDef) and classes:
            yield from _excess(file, node, "class", CLASS)
            methods = sum(isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) for part in node.body)
            if methods > METHODS:
                what = f"{file}:{node.lineno}: class {node.name}"
                yield f"{file}:{node.name}", f"{what} has {methods} methods; a class has at most {METHODS}"


def _excess(
    file: Path, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, kind: str, most: int
) -> Iterator[tuple[str, str]]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines > most:
        what = f"{file}:{node.lineno}: {kind} {node.name}"
        yield f"{file}:{node.name}", f"{what} has {lines} lines; a {kind} has at most {most}"


def complaints(root: Path, exceptions: Collection[str]) -> Sequence[str]:
    """Return a sentence for each thing below ``root`` that is too large, and for each exception that is not needed."""
    found = [
        excess
        for folder in ALL
        for file in sorted((root / folder).rglob("*.py"))
        for excess in excesses(file.relative_to(root), file.read_text(), classes=folder in PRODUCT)
    ]
    needless = sorted(set(exceptions) - {name for name, _ in found})
    return [
        *(sentence for name, sentence in found if name not in exceptions),
        *(f"{name}: keeps its budget; remove it from EXCEPTIONS in tools/budgets.py" for name in needless),
    ]


if __name__ == "__main__":
    wrong = complaints(Path(), EXCEPTIONS)
    print("\n".join(wrong) or "budgets kept")
    sys.exit(bool(wrong))
