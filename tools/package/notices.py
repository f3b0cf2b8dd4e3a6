"""The licences of pynet and of the packages that it brings, in Debian's machine-readable form (DEP-5)."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from tools.plugin.bill import Component, normal, python_components

HEAD = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: pynet

Files: *
Copyright: {authors}
License: Apache-2.0
"""
# What is in /usr/share/common-licenses is named and not copied (Debian Policy 12.5).
COMMON = """
License: {name}
 The text is in /usr/share/common-licenses/{file} on Debian systems.
"""
COMMON_FILES = {"Apache-2.0": "Apache-2.0", "GPL-2.0-or-later": "GPL-2"}
# Names that old metadata gives, and what is meant; the texts that come with the packages say so.
SHORT_NAMES = {"MIT License": "MIT", "BSD License": "BSD-3-Clause", "Apache Software License": "Apache-2.0"}

FSF = "Free Software Foundation"  # holds the text of the GPL, not the package
_BEFORE_YEAR = re.compile(r"^(Copyright|©)?\s*(\([cC]\)|©)?\s*:?\s*")
_HOLDER = re.compile(r"((Copyright|©)\s*(\([cC]\)|©)?\s*:?\s*|(?=.*\([cC]\)))\d{4}")


def text(site: Path, authors: str) -> str:
    """Return the file's text for the packages that are installed in ``site``, which must have their RECORD still."""
    others = [part for part in python_components(site) if part.name != "pynet"]
    stanzas = [HEAD.format(authors=authors)]
    stanzas += [_stanza(part, sorted(_tops(site, part.name))) for part in others]
    stanzas += [COMMON.format(name=name, file=file) for name, file in COMMON_FILES.items()]
    return "".join(stanzas)


def _stanza(part: Component, tops: list[str]) -> str:
    files = "\n ".join(f"usr/lib/pynet/python/{top}" for top in tops)
    name = re.sub(r"\b(AND|OR)\b", lambda word: word[0].lower(), SHORT_NAMES.get(part.licence, part.licence))
    texts = [text for text in part.texts if "as is" in text.lower() and "Apache License" not in text[:500]]
    body = "" if set(name.split(" or ")) <= set(COMMON_FILES) else f"\n{_indented(texts[0])}"
    return f"\nFiles: {files}\nCopyright: {_holders(part)}\nLicense: {name}{body}\n"


def _holders(part: Component) -> str:
    """Return the lines of the licence that name its holders."""
    lines = [line.strip() for text in part.texts for line in text.splitlines()]
    named = dict.fromkeys(_BEFORE_YEAR.sub("", line) for line in lines if _HOLDER.match(line) and FSF not in line)
    return "\n ".join(named) or f"the authors of {part.name}"


def _tops(site: Path, name: str) -> Iterator[str]:
    """Yield patterns of the files and folders of a package, from its record."""
    for record in site.glob("*.dist-info/RECORD"):
        if normal(record.parent.name.partition("-")[0]) != name:
            continue
        rows = [row[0] for row in csv.reader(record.read_text().splitlines())]
        for top in {Path(row).parts[0] for row in rows if not row.startswith("..")}:
            yield f"{top}/*" if (site / top).is_dir() else top


def _indented(licence: str) -> str:
    return "\n".join(f" {line.strip() or '.'}" for line in licence.strip().splitlines())
