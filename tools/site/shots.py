"""Takes pictures of the built site with headless Chromium: ``make docs-shots`` writes them into build/shots.

Windows are narrow and wide, light and dark. Pages that are wider than their window are named, and then the command ends
with 1. ``python -m tools.site.shots PAGE...`` takes pictures of those pages alone.
"""

import shutil
import sys
from pathlib import Path

from tools.site.chromium import Browser, browser

SITE, SHOTS = Path("build/site").resolve(), Path("build/shots")
PAGES = ("index", "guide/start", "reference/commands", "firewall", "bench", "architecture")
NARROW, WIDE = (390, 844), (1440, 900)  # a telephone and a laptop, in CSS pixels
LONGEST = 2600  # pixels of a page that are shown
WIDER = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth"


def main(pages: list[str]) -> int:
    """Write a picture of each page in each window, and return the exit code."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None or not SITE.exists():
        print("shots: this needs Chromium (apt install chromium) and the built site (make docs)", file=sys.stderr)
        return 1
    SHOTS.mkdir(parents=True, exist_ok=True)
    with browser(program) as shown:
        wrong = [complaint for page in pages or PAGES for complaint in _shots(shown, page)]
    print("\n".join(wrong) or f"shots: {len(list(SHOTS.iterdir()))} pictures in {SHOTS}, no page wider than its window")
    return 1 if wrong else 0


def _shots(shown: Browser, page: str) -> list[str]:
    wrong = []
    for width, height in (NARROW, WIDE):
        for dark in (False, True):
            shown.show(SITE / f"{page}.html", width, height, dark=dark)
            length = min(int(shown.evaluate("document.documentElement.scrollHeight")), LONGEST)
            name = f"{page.replace('/', '-')}-{width}-{'dark' if dark else 'light'}.png"
            (SHOTS / name).write_bytes(shown.picture(width, length))
            if (wider := int(shown.evaluate(WIDER))) > 0:
                wrong.append(f"{page}: {wider} pixels wider than a window of {width}")
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
