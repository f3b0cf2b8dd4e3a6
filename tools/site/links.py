"""Where the links of the documents lead on the site.

In the tree links lead from file to file, as they must on a code host. The site has the files of ``docs/`` at its root,
and those of ``PUBLISHED`` beside them.
"""

import os
import re
from pathlib import PurePosixPath

PUBLISHED = ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "spec/README.md")  # outside of docs/
HOME = {"README.md": "index.md"}  # the README is the home page of the code host
ELSEWHERE = re.compile(r'<(?:script|link(?! rel="canonical")|img|iframe)\b[^>]*(?:src|href)="((?:https?:)?//[^"]*)"')
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")


def with_links_of_site(markdown: str, page: str) -> str:
    """Return the text of a page, given by its path on the site, with links that lead to the same files there."""
    return LINK.sub(lambda match: on_the_site(page, match[0]), markdown)


def on_the_site(page: str, target: str) -> str:
    """Return the link from a page to the place of ``target``, which is relative to the page's file in the tree."""
    folder = PurePosixPath(page if page in PUBLISHED else f"docs/{page}").parent
    path = os.path.normpath(folder / target)
    place = HOME.get(path) or path.removeprefix("docs/")
    return os.path.relpath(place, PurePosixPath(page).parent)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the addresses of scripts, styles and pictures that a page would load over the network."""
    return ELSEWHERE.findall(html)
