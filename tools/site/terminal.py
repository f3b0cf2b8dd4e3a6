"""Draws what a terminal showed as SVG: dark on every page, as terminals are."""

from xml.sax.saxutils import escape

COLUMN, LINE, MARGIN, BAR = 7.2, 18, 16, 30  # pixels
PROMPT = "$ "
STYLE = (
    ".screen{fill:#0d1117;stroke:#30363d}text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;"
    "fill:#c9d1d9;white-space:pre}.typed{fill:#7ee787;font-weight:600}"
)


def drawn(transcript: str, title: str, description: str) -> str:
    """Return the picture of a transcript, whose commands begin with a prompt."""
    lines = transcript.rstrip("\n").split("\n")
    width = round(max(map(len, lines)) * COLUMN) + 2 * MARGIN
    height = BAR + len(lines) * LINE + MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-labelledby="title description">'
    )
    texts = [_text(BAR + (row + 1) * LINE - 5, line) for row, line in enumerate(lines) if line]
    buttons = [
        f'<circle cx="{MARGIN + 4 + 18 * place}" cy="16" r="5.5" fill="{colour}"/>'
        for place, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))
    ]
    return "\n".join(
        [
            head,
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="screen" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
            *buttons,
            *texts,
            "</svg>\n",
        ]
    )


def _text(y: int, line: str) -> str:
    """Return a line, stretched to the columns that it has with any font."""
    kind = ' class="typed"' if line.startswith(PROMPT) else ""
    place = f'x="{MARGIN}" y="{y}" textLength="{len(line) * COLUMN:.1f}"'
    return f'<text{kind} {place} xml:space="preserve">{escape(line)}</text>'
