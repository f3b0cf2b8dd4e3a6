"""Takes pictures of ``pynet page`` with headless Chromium: ``make page-shots`` writes them into build/shots.

Windows are of three widths, light and dark, with details and without. Another picture is for the documents.
"""

import shutil
import sys
import time
from pathlib import Path

from tests.unit.page.conftest import served
from tools.site.chromium import Browser, browser

SHOTS, GUIDE = Path("build/shots"), Path("docs/pictures/page.png")
WINDOWS = ((390, 844), (800, 900), (1440, 900))  # a telephone, a tablet and a laptop, in CSS pixels
ANSWERS = 30  # after the second one there are rates
DETAILS = "document.querySelectorAll('.box')[2].querySelectorAll('.end')[1].click()"


def main() -> int:
    """Write a picture of each window, and return the exit code."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        print("page-shots: this needs Chromium (apt install chromium)", file=sys.stderr)
        return 1
    SHOTS.mkdir(parents=True, exist_ok=True)
    with browser(program) as shown:
        for width, height in WINDOWS:
            for dark in (False, True):
                _shoot(shown, 200, width, height, dark=dark)
        GUIDE.write_bytes(_shoot(shown, 12, 1280, 760, dark=False))
    print(f"page-shots: {len(list(SHOTS.glob('page-*')))} pictures in {SHOTS}, and {GUIDE}")
    return 0


def _shoot(shown: Browser, networks: int, width: int, height: int, *, dark: bool) -> bytes:
    """Write a picture of the page, and another one with details, which is returned."""
    with served(networks, 10 if networks > 12 else 5) as page:
        shown.resize(width, height, dark=dark)
        shown.visit(page.address)
        for _ in range(ANSWERS):
            shown.evaluate("poll()")
            time.sleep(0.02)
        name = f"page-{networks}-{width}-{'dark' if dark else 'light'}"
        (SHOTS / f"{name}.png").write_bytes(shown.window())
        shown.evaluate(DETAILS)
        picture = shown.window()
        (SHOTS / f"{name}-details.png").write_bytes(picture)
        return picture


if __name__ == "__main__":
    sys.exit(main())
