"""Makes one site of the documents, without a second copy of any; MkDocs calls this (``hooks`` in mkdocs.yml)."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from cli.main import main as pynet
from tools.site.commands import with_reference
from tools.site.links import PUBLISHED, with_links_of_site

ROOT = Path(__file__).parents[2]


def on_files(files: Files, config: Any) -> Files:
    """Add the files outside of ``docs/``, at the same path."""
    for path in PUBLISHED:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return the text of a page with links that fit the site, and with the commands where it has their place."""
    return with_reference(with_links_of_site(markdown, page.file.src_uri), pynet)
