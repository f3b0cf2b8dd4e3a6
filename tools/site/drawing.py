"""Draws boxes, frames, lines of text and arrows as SVG, readable on light and on dark pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

LETTER, LINE = 7.0, 18  # pixels: the widest average of a letter, and the distance of two lines
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.middle{text-anchor:middle}"
    ".code{font-family:ui-monospace,monospace;font-size:12px}.quiet{fill:#57606a}.white{fill:#fff}"
    ".paper{fill:#fff}rect{stroke-width:1.2}.frame{fill:none;stroke:#8c959f;stroke-dasharray:5 4}"
    ".plain{fill:#f6f8fa;stroke:#8c959f}.pynet{fill:#ddf4ff;stroke:#0969da}.docker{fill:#fff8c5;stroke:#9a6700}"
    ".halo{paint-order:stroke;stroke:#fff;stroke-width:5px}.number{fill:#0969da}.arrow{fill:none;stroke:#57606a;stroke-width:1.5}.packet{stroke:#0969da;stroke-width:3}"
    ".dashed,.life{stroke-dasharray:5 4}.life{opacity:.6}.head{fill:#57606a}.packets{fill:#0969da}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9ea7b3}.paper{fill:#0d1117}.halo{stroke:#0d1117}"
    ".plain{fill:#161b22;stroke:#6e7681}.pynet{fill:#0c2d4f;stroke:#58a6ff}.docker{fill:#33290b;stroke:#d4a72c}"
    ".number{fill:#1f6feb}.arrow{stroke:#9ea7b3}.packet{stroke:#58a6ff}.head{fill:#9ea7b3}.packets{fill:#58a6ff}}"
)


@dataclass(frozen=True, slots=True)
class Note:
    """A line of text."""

    x: int
    y: int
    text: str
    kind: str = "quiet"

    def shapes(self) -> list[str]:
        """Return the element of the line."""
        kind = f"{self.kind} code" if self.text.startswith("`") else self.kind
        return [f'<text class="{kind}" x="{self.x}" y="{self.y}">{escape(self.text.strip("`"))}</text>']


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with a title and lines below it; a line in backticks is code."""

    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...] = ()
    kind: str = "plain"  # or pynet, docker, frame, whose title is at its top
    number: int = 0

    def shapes(self) -> list[str]:
        """Return the elements of the box."""
        place = f'x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6"'
        return [
            f'<rect class="{self.kind}" {place}/>',
            *(shape for note in self._notes() for shape in note.shapes()),
            *(self._badge() if self.number else ()),
        ]

    def _notes(self) -> list[Note]:
        if self.kind == "frame":
            return [Note(self.x + 14, self.y + 22, self.title, "title")]
        middle, first = self.x + self.width // 2, self.y + (self.height - LINE * len(self.lines)) // 2 + 5
        below = [Note(middle, first + LINE * row, line, "middle") for row, line in enumerate(self.lines, 1)]
        return [Note(middle, first, self.title, "title middle"), *below]

    def _badge(self) -> list[str]:
        return [
            f'<circle class="number" cx="{self.x}" cy="{self.y + self.height // 2}" r="11"/>',
            f'<text class="title white middle" x="{self.x}" y="{self.y + self.height // 2 + 5}">{self.number}</text>',
        ]

    def too_wide(self) -> list[str]:
        """Return the lines that do not fit into the box."""
        room = self.width - (26 if self.number else 12)
        return [text for text in (self.title, *self.lines) if len(text.strip("`")) * LETTER > room]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line through points, with a head at its end; ``both`` for one at each end."""

    points: tuple[tuple[int, int], ...]
    kind: str = ""  # or packet, dashed, or life for a dashed line without a head
    both: bool = False

    def shapes(self) -> list[str]:
        """Return the element of the line."""
        head = "packets" if self.kind == "packet" else "head"
        places = [] if self.kind == "life" else ["start", "end"] if self.both else ["end"]
        ends = "".join(f' marker-{place}="url(#{head})"' for place in places)
        path = "M" + "L".join(f"{x} {y}" for x, y in self.points)
        return [f'<path class="{f"arrow {self.kind}".strip()}" d="{path}"{ends}/>']


@dataclass(frozen=True, slots=True)
class Picture:
    """Shapes on paper, with a title and a description for readers who cannot see them."""

    title: str
    description: str
    height: int
    shapes: Sequence[Box | Note | Arrow]
    width: int = 720

    def svg(self) -> str:
        """Return the picture as a file."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-labelledby="title description">'
        )
        drawn = [line for shape in self.shapes for line in shape.shapes()]
        return "\n".join(
            [
                head,
                f'<title id="title">{escape(self.title)}</title>',
                f'<desc id="description">{escape(self.description)}</desc>',
                f"<style>{STYLE}</style>",
                f"<defs>{_head('head', 7)}{_head('packets', 4)}</defs>",
                f'<rect class="paper" width="{self.width}" height="{self.height}"/>',
                *drawn,
                "</svg>\n",
            ]
        )


def _head(name: str, size: int) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="{size}" markerHeight="{size}" '
        f'orient="auto-start-reverse"><path class="{name}" d="M0 0L10 5L0 10z"/></marker>'
    )
