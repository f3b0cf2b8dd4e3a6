"""Bounds the share of a core that recurring work takes: the more a turn costs, the later is the next."""


def pause_after(cost: float, share: float, least: float = 0.0, most: float = float("inf")) -> float:
    """Return the seconds until the next turn, from ``least`` to ``most``, after one that took ``cost`` seconds of CPU.

    ``share`` (0 to 1) is the part of one core that the turns may take.
    """
    return min(max(least, cost / share), most)
