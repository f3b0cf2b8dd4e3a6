"""Takes pictures of the built site with headless Chromium: ``make docs-shots`` writes them into build/shots.

Narrow and wide windows, light and dark. A page that is wider than its window is named, and the command ends with 1.
"""

