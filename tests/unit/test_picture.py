"""The picture of docs/bench.md is drawn from the files of the benchmarks."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import picture

WIDER = [
    {"what": "start, one port", "bridge": 161.39, "pynet": 160.09},
    {"what": "start, 500 ports", "bridge": 12324.84, "pynet": 214.92},
    {"what": "stop, 500 ports", "bridge": 25342.63, "pynet": 146.32},
]
RATES = {"bridge": 1679.85, "auto": 1837.61, "on": 3000.0}
STREAM = {"way": "<container> to outside", "filtered": 1, "figure": "rate", "values": RATES}
TRAFFIC = [STREAM, {**STREAM, "figure": "cpu"}, {**STREAM, "filtered": 0, "way": "unfiltered"}]
RUN = {"steps": [{"step": "network create", "bridge": 41.8, "pynet": 7.5}], "wider": WIDER, "traffic": TRAFFIC}
VERB = {"verb": "NetworkDriver.CreateNetwork", "few": 2.61, "many": 2.83}
SCALE = {"networks": 1000, "verbs": [VERB]}


def written(folder: Path, *results: object) -> list[str]:
    """Write each result into a file as the benchmarks do, and return their names."""
    names = []
    for number, result in enumerate(results):
        path = folder / f"{number}.json"
        path.write_text(json.dumps([result]))
        names.append(str(path))
    return names


def test_a_picture_is_well_formed_and_has_its_figures_as_text(tmp_path: Path) -> None:
    """Readers who cannot see the bars find the figures, also where a name has special characters."""
    target = tmp_path / "bench.svg"
    assert picture.main(written(tmp_path, RUN, SCALE), target) == 0
    texts = [element.text for element in ET.parse(target).iter("{http://www.w3.org/2000/svg}text")]
    assert {"1 port", "500 ports", "<container> to outside", "inside pynet, with 1,000 networks"} <= set(texts)
    assert {"161", "160", "12,325", "215", "41.8", "7.5", "2.6", "2.8", "1,680", "1,838"} <= set(texts)
    assert not {"25,343", "3,000", "unfiltered"} & set(texts)


def test_bars_are_as_long_as_their_figures(tmp_path: Path) -> None:
    """The longest bar of a panel fills the width, and the others are in proportion to it."""
    target = tmp_path / "bench.svg"
    picture.main(written(tmp_path, RUN), target)
    bars = ET.parse(target).findall(f"{{http://www.w3.org/2000/svg}}rect[@x='{picture.LABELS}'][@class='pynet']")
    lengths = [float(bar.attrib["width"]) / picture.BARS for bar in bars[1:]]
    assert lengths == pytest.approx([160.09 / 12324.84, 214.92 / 12324.84, 7.5 / 41.8, 1.0], abs=0.001)


def test_the_last_file_wins(tmp_path: Path) -> None:
    """Figures of two runs are not mixed in one panel."""
    target = tmp_path / "bench.svg"
    newer = {"steps": RUN["steps"], "wider": [{"what": "start, one port", "bridge": 150.0, "pynet": 140.0}]}
    picture.main(written(tmp_path, RUN, newer), target)
    assert "150" in target.read_text()
    assert "12,325" not in target.read_text()


def test_missing_figures_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture without a bar is not taken for a whole one."""
    assert picture.main(written(tmp_path, SCALE), tmp_path / "bench.svg") == 0
    said = capsys.readouterr().out
    assert "left out, as no file has figures: Start of a container with published ports, 50 ports" in said
    assert "with 1,000 networks" not in said


def test_nothing_is_drawn_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file leaves the picture that was there."""
    target = tmp_path / "bench.svg"
    assert picture.main(written(tmp_path, {"torture": "passed"}), target) == 1
    assert "nothing to draw" in capsys.readouterr().err
    assert not target.exists()
