"""Puts the page together from the files in static/: one document that needs nothing else, and its security policy."""

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

# In this order: each file uses functions of those before it.
SCRIPTS = ("texts", "model", "search", "boxes", "details", "keys", "polling", "start")
_FOLDER = "static"


@dataclass(frozen=True, slots=True)
class Document:
    """The page as HTML, and its Content-Security-Policy: no script, style or connection but its own."""

    html: bytes
    policy: str


def document() -> Document:
    """Return the page; raises OSError if the installation lacks its files."""
    folder = files("cli.page").joinpath(_FOLDER)
    style = folder.joinpath("page.css").read_text("utf-8")
    parts = [folder.joinpath(f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    script = '"use strict";\n' + "\n".join(parts)
    page = folder.joinpath("page.html").read_text("utf-8")
    html = page.replace("/* page.css */", style).replace("/* scripts */", script)
    return Document(html.encode(), policy(style, script))


def policy(style: str, script: str) -> str:
    """Return the policy for a page with this style and script; texts of records can become neither."""
    rules = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
