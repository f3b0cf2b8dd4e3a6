"""The documents are a site as well, with the same links."""

import pytest

from tools.site.links import with_links_of_site


@pytest.mark.parametrize(
    ("page", "link", "there"),
    [
        ("service.md", "reference/settings.md#values", "reference/settings.md#values"),
        ("architecture.md", "../CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("guide/start.md", "../../README.md", "../index.md"),
        ("guide/start.md", "../firewall.md", "../firewall.md"),
        ("CHANGELOG.md", "docs/guide/ports.md", "guide/ports.md"),
        ("spec/README.md", "../docs/protocol.md#locks", "../protocol.md#locks"),
        ("bench.md", "bench.svg", "bench.svg"),
        ("bench.md", "#figures", "#figures"),
        ("bench.md", "https://example.org/docs/x.md", "https://example.org/docs/x.md"),
    ],
)
def test_links_between_files_lead_to_the_same_pages_of_the_site(page: str, link: str, there: str) -> None:
    """The site has ``docs/`` at its root, so links into and out of that folder are made anew."""
    assert with_links_of_site(f"See [this]({link}).", page) == f"See [this]({there})."
