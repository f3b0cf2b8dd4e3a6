"""Makes one site of the documents, without a second copy of any; MkDocs calls this (``hooks`` in mkdocs.yml)."""

import logging
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from cli.main import main as pynet
from tools.site.commands import with_reference
from tools.site.links import PUBLISHED, loaded_from_elsewhere, with_links_of_site

ROOT = Path(__file__).parents[2]
LOG = logging.getLogger("mkdocs.hooks.pynet")  # a warning below "mkdocs" fails a strict build


def on_files(files: Files, config: Any) -> Files:
    """Add the files outside of ``docs/``, at the same path."""
    for path in PUBLISHED:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page with links that fit the site, and with the commands where it has their place."""
    return with_reference(with_links_of_site(markdown, page.file.src_uri), pynet)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Warn if the site would need a network."""
    for address in loaded_from_elsewhere(output):
        LOG.warning("%s would load %s", page.file.src_uri, address)
    return output
