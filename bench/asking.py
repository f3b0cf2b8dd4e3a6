"""Asks a name server as a container does: run in the container's network namespace.

python -m bench.asking SERVER until there NAME     prints "ready", and then the time at which NAME is found
python -m bench.asking SERVER until gone NAME      the same, when it is not found any more
python -m bench.asking SERVER times COUNT NAME     prints milliseconds and the kind of each answer, as JSON
"""

import json
import sys
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode

PAUSE = 0.002  # seconds between two questions
PATIENCE = 15.0  # seconds for an answer


def ask(server: str, name: str, seconds: float = PATIENCE) -> str:
    """Return the addresses of a name, or the reason for which there are none."""
    try:
        reply = dns.query.udp(dns.message.make_query(name, "A"), server, seconds)
    except dns.exception.Timeout:
        return "no answer"
    found = [str(item) for answer in reply.answer for item in answer]
    return " ".join(found) or dns.rcode.to_text(reply.rcode())


def until(server: str, what: str, name: str) -> None:
    """Ask until a name is there, or gone, and print the time."""
    print("ready", flush=True)
    while ask(server, name, 1)[:1].isdigit() != (what == "there"):
        time.sleep(PAUSE)
    print(time.time(), flush=True)


def times(server: str, count: int, name: str) -> None:
    """Ask some times, and print how long each question took."""
    rows = []
    for _ in range(count):
        begin = time.perf_counter()
        answer = ask(server, name)
        rows.append([(time.perf_counter() - begin) * 1000, "addresses" if answer[:1].isdigit() else answer])
        time.sleep(PAUSE)
    print(json.dumps(rows))


if __name__ == "__main__":
    _, place, order, word, wanted = sys.argv
    if order == "until":
        until(place, word, wanted)
    else:
        times(place, int(word), wanted)
