"""The page in headless Chromium: 200 networks with 2,000 containers, as a user sees and operates it."""

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from plugin.errors import Failed
from plugin.model.parent import Parent
from plugin.model.records import Endpoint, Network
from plugin.store.base import Put, Remove
from tests.unit.page.conftest import Page, served
from tests.unit.page.crowd import endpoint, network
from tools.site.chromium import Browser, browser

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PATIENCE = 30.0  # seconds; a machine may be busy
HOSTILE = "<img src=x onerror=alert(1)>"  # no name that Docker allows, but a shared store may have any text
CUT = "one => one.scrollWidth > one.clientWidth + 1"  # whether an element is wider than its room
WIDTHS = (390, 800, 1440)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt install chromium)")


class User:
    """Looks at a page and presses keys."""

    def __init__(self, shown: Browser, page: Page) -> None:
        self._shown = shown
        self.page, self.crowd = page, page.crowd

    def opens(self, width: int = 1440, *, dark: bool = False) -> None:
        """Load the page in a new window, and wait for all boxes."""
        self._shown.resize(width, 900, dark=dark)
        self._shown.visit("about:blank")
        self._shown.visit(self.page.address)
        self.waits_for("document.querySelectorAll('.box').length", 200)
        self.polls()  # behind the first answers about states, drops and hosts

    def visits(self, address: str) -> None:
        """Load an address, and wait until it is loaded."""
        self._shown.visit(address)

    def resizes(self, width: int, *, dark: bool) -> None:
        """Change the window."""
        self._shown.resize(width, 900, dark=dark)

    def sees(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        return self._shown.evaluate(script)

    def waits_for(self, script: str, value: Any) -> None:
        """Wait until an expression has a value."""
        until = time.monotonic() + PATIENCE
        while (found := self.sees(script)) != value:
            assert time.monotonic() < until, f"{script} is {found!r}, and not {value!r}"
            time.sleep(0.02)

    def polls(self) -> None:
        """Let the page ask now, and wait until it has shown the answer."""
        self.sees("poll()")

    def presses(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            text = "\r" if key == "Enter" else key if len(key) == 1 else ""
            for kind in ("keyDown", "keyUp"):
                self._shown.call(
                    "Input.dispatchKeyEvent", type=kind, key=key, text=text, windowsVirtualKeyCode=CODES.get(key, 0)
                )

    def searches(self, words: str) -> str:
        """Type words into the search; return the sentence about the result."""
        self.sees(f"(document.getElementById('search').value = {words!r}, onSearch())")
        return str(self.sees("document.getElementById('count').textContent"))


# Nothing is searched, selected or opened.
FRESH = """
Object.assign(wanted, {mode: '', only: '', order: 'name'});
for (const id of ['search', 'mode', 'only']) document.getElementById(id).value = '';
opened.clear();
setCurrent(null);
select('');
onSearch();
"""
CODES = {"Enter": 13, "Escape": 27, "ArrowDown": 40}


@pytest.fixture(scope="module")
def shown() -> Iterator[User]:
    """One browser and one large page for all tests of this file."""
    assert CHROMIUM
    with served(200, 10) as page, browser(CHROMIUM) as started:
        started.call("Log.enable")
        page.crowd.rename(1, 1, HOSTILE)
        user = User(started, page)
        user.opens()
        yield user


@pytest.fixture
def user(shown: User) -> User:
    """A user whose page is as it was at first."""
    shown.sees(FRESH)
    return shown


def test_the_page_shows_everything_without_an_error_of_the_browser(user: User) -> None:
    """Boxes, lines, ports, hosts of an overlay and figures; the security policy blocks nothing of the page itself."""
    assert user.sees("document.getElementById('count').textContent") == "200 networks, 2,000 containers"
    assert user.sees("document.querySelectorAll('.end').length") == 2000
    assert user.sees("document.querySelector('.port').textContent") == "8004 → 80/tcp"
    assert user.sees("document.querySelector('.mode-overlay .host').textContent") == "berlin-1"
    assert user.sees("[location.hash, document.scripts.length]") == ["", 1]
    assert user.sees("document.getElementById('trouble').textContent") == ""
    assert user.sees("performance.getEntriesByType('resource').every(one => one.name.startsWith(location.origin))")
    assert user.sees("document.querySelectorAll('.figure .value')[1].textContent") == "2,000"


def test_a_name_is_text_and_never_html(user: User) -> None:
    """A container's name from a shared store may be anything."""
    assert user.searches("onerror=alert") == "1 network, 1 container found"
    assert user.sees("document.querySelector('.end .label').textContent") == HOSTILE
    user.sees("document.querySelector('.end').click()")
    assert user.sees("document.querySelector('#details h2').textContent") == HOSTILE
    assert user.sees("document.images.length") == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_no_window_is_too_narrow(user: User, width: int) -> None:
    """Nothing is wider than its window, also with open details; letters differ enough from their ground."""
    user.sees("document.querySelector('.end').click()")
    for dark in (True, False):
        user.resizes(width, dark=dark)
        assert user.sees("document.documentElement.scrollWidth - innerWidth") <= 0
        assert user.sees(f"[...document.querySelectorAll('.box, #details')].filter({CUT}).length") == 0
        style = "getComputedStyle(document.body)"
        ink, ground = (brightness(user.sees(f"{style}.{name}")) for name in ("color", "backgroundColor"))
        assert (ink > ground) is dark
        assert abs(ink - ground) > 150


def brightness(colour: str) -> float:
    """Return 0 to 255 for a colour such as rgb(1, 2, 3)."""
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("billing_default", "1 network, 10 containers found"),
        ("shop db", "20 networks, 20 containers found"),
        ("172.16.4.3", "1 network, 1 container found"),
        (":8004", "1 network, 1 container found"),
        ("02:42:ac:04:00:01", "1 network, 1 container found"),
        ("fd00:4::3", "1 network, 1 container found"),
        ("nobody", "Nothing fits the search."),
        ("", "200 networks, 2,000 containers"),
    ],
)
def test_search_finds_names_addresses_and_ports(user: User, words: str, said: str) -> None:
    """Every word must be found, in a container or in its network."""
    assert user.searches(words) == said


def test_filters_and_orders(user: User) -> None:
    """Each list narrows what is shown, and the order can be by traffic."""
    for name, value, said in (
        ("mode", "overlay", "50 networks, 500 containers found"),
        ("only", "ports", "50 networks, 50 containers found"),
        ("mode", "", "200 networks, 200 containers found"),
    ):
        user.sees(f"onChoice({{target: {{id: '{name}', value: '{value}'}}}})")
        assert user.sees("document.getElementById('count').textContent") == said
    user.sees("(wanted.only = '', wanted.order = 'traffic', poll())")
    assert user.sees("document.querySelector('.box').dataset.network") == network(198).id[:12]


def test_keys_move_select_and_close(user: User) -> None:
    """Without a mouse: to the third line, its details, back, the search, the list of keys."""
    user.presses("j", "j", "ArrowDown", "k", "Enter")
    selected = user.sees("document.querySelector('.line[aria-current]').textContent")
    assert user.sees("document.querySelector('#details h2').textContent") in selected
    assert user.sees("document.activeElement.id") == "details"
    user.presses("Escape")
    assert user.sees("[document.getElementById('details').hidden, document.activeElement.className]") == [
        True,
        "end line",
    ]
    user.presses("/")
    assert user.sees("document.activeElement.id") == "search"
    user.presses("Escape", "?")
    assert user.sees("document.getElementById('keys').open") is True
    user.presses("Escape")
    assert user.sees("document.querySelectorAll('.line[tabindex=\"0\"]').length") == 1


def test_a_change_touches_its_own_box_alone(user: User) -> None:
    """A container comes and goes; the other boxes are the same elements, and the selected one stays selected."""
    user.sees("document.querySelectorAll('.box').forEach(one => { one.mark = 1; })")
    new = [endpoint(4, 11), endpoint(4, 12)]
    user.crowd.store.transact(*map(Put, new))
    user.polls()
    lines = f"document.querySelectorAll('[data-network=\"{network(4).id[:12]}\"] .end').length"
    assert user.sees(lines) == 10
    assert user.sees("document.querySelector('.more').textContent") == "2 more"
    user.crowd.store.transact(*(Remove(Endpoint, one.key) for one in new))
    user.polls()
    assert user.sees("[...document.querySelectorAll('.box')].every(one => one.mark)") is True
    assert user.sees("document.querySelector('.more')") is None


def test_a_network_goes_and_comes(user: User) -> None:
    """Its box with it."""
    for item in user.crowd.store.list(Endpoint, f"{network(9).id}/"):
        user.crowd.store.transact(Remove(Endpoint, item.record.key))
    user.crowd.store.transact(Remove(Network, network(9).key))
    user.polls()
    assert user.sees("document.querySelectorAll('.box').length") == 199
    user.crowd.store.transact(Put(network(9)), *(Put(endpoint(9, place)) for place in range(10)))
    user.polls()
    assert user.sees("document.getElementById('count').textContent") == "200 networks, 2,000 containers"


def test_rates_come_with_the_second_answer(user: User) -> None:
    """In lines, headings, figures and details."""
    user.polls()
    user.sees("document.querySelector('.busy').click()")
    assert re.fullmatch(r"↓\d.* ↑\d.*", user.sees("document.querySelector('.busy .rate').textContent"))
    assert user.sees("document.querySelectorAll('#details polyline').length") == 2
    assert user.sees("document.querySelectorAll('.figure .value')[3].textContent").endswith("B/s")


def test_a_missing_link_is_seen(user: User) -> None:
    """Its line has a red dot, and its details say so."""
    user.crowd.busy.missing = {f"pnh{endpoint(4, 2).id[:12]}"}
    user.polls()
    user.sees(f"select('e:{endpoint(4, 2).id[:12]}')")
    assert user.sees("document.querySelectorAll('.broken .label').length") == 1
    assert "its link on the host is missing" in user.sees("document.getElementById('details').innerText")
    user.crowd.busy.missing = set()


def test_a_link_that_is_in_its_container_is_not_missing(user: User) -> None:
    """As of mode macvlan: nobody counts there, and the details say so."""
    end = endpoint(4, 3)
    user.crowd.store.transact(Put(replace(end, parent=Parent(2, end.mac, "boot"))))
    user.crowd.busy.missing = {f"pnh{end.id[:12]}"}
    user.polls()
    user.sees(f"select('e:{end.id[:12]}')")
    assert user.sees("document.querySelectorAll('.broken .label').length") == 0
    assert "its traffic is not counted" in user.sees("document.getElementById('details').innerText")
    user.crowd.store.transact(Put(end))
    user.crowd.busy.missing = set()


def test_drops_are_told_by_reason(user: User) -> None:
    """In the figures, and in the details of their network."""
    assert user.sees("document.querySelectorAll('.figure .value')[5].textContent") == "12"
    user.sees(f"select('n:{network(0).id[:12]}')")
    assert "Dropped\nmac\n12 packets" in user.sees("document.getElementById('details').innerText")


def test_a_lost_pynet_is_said_and_comes_back_by_itself(user: User) -> None:
    """What was known stays, in grey."""
    user.crowd.away = Failed("ask the pynet that serves: it restarts")
    user.polls()
    assert user.sees("document.getElementById('trouble').textContent").startswith(
        "ask the pynet that serves: it restarts"
    )
    assert user.sees("document.querySelectorAll('.box').length") == 200
    user.crowd.away = None
    user.waits_for("document.getElementById('trouble').hidden", True)


def test_findings_are_looked_for_when_asked(user: User) -> None:
    """A full look costs, so no poll asks for it."""
    user.polls()
    assert "Look" not in user.crowd.asked
    user.crowd.findings = [{"Kind": "LinkDown", "Sentence": "link 'pn-1' is <down>", "Error": ""}]
    user.sees("document.querySelector('.check').click()")
    user.waits_for("document.getElementById('found-list').textContent", "link 'pn-1' is <down>")
    assert user.sees("document.querySelector('.alarm .value').textContent") == "1"


def test_themes_can_be_chosen_and_are_kept(user: User) -> None:
    """Key t goes from the system's to light, dark and back."""
    grounds = []
    for _ in range(3):
        user.presses("t")
        grounds.append(user.sees("getComputedStyle(document.body).backgroundColor"))
    assert [brightness(ground) > 128 for ground in grounds] == [True, False, True]
    assert user.sees("localStorage.getItem('theme')") == "system"


def test_everything_that_can_be_operated_has_a_name(user: User) -> None:
    """For readers who cannot see the page."""
    user.sees("document.querySelector('.end').click()")
    for kinds, has_name in (
        ("button, select, input", "one.textContent || one.ariaLabel"),
        ("main, aside, section, dialog", "one.ariaLabel || one.getAttribute('aria-labelledby')"),
    ):
        nameless = f"[...document.querySelectorAll('{kinds}')].filter(one => !({has_name}))"
        assert user.sees(f"{nameless}.map(one => one.outerHTML)") == []


def test_without_a_token_the_page_says_what_to_do(user: User) -> None:
    """It shows nothing else."""
    user.sees("sessionStorage.clear()")
    user.visits(user.page.address.partition("#")[0])
    user.waits_for("document.getElementById('trouble').textContent.includes('open the address')", True)
    assert user.sees("document.querySelectorAll('.box').length") == 0
