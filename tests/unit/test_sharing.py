"""Groups of tests that one worker plays."""

import pytest

from tests.sharing import group


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("tests/engine/test_ports.py::test_a[28.5-pynet]", "28.5"),
        ("tests/engine/test_ports.py::test_a[bridge-20.10]", "20.10"),
        ("tests/engine/test_ports.py::test_a[28.5]", "28.5"),
        ("tests/engine/test_ports.py::test_a[10.9.0.2]", "tests/engine/test_ports.py"),
        ("tests/engine/test_managed.py::test_a[28.5]", "tests/engine/test_managed.py"),
        ("tests/kernel/test_port.py::test_a[28.5]", "tests/kernel/test_port.py"),
        ("tests/vm/test_ipvlan.py::test_a[28.5]", "vm"),
        ("tests/unit/test_x.py::test_b", "tests/unit/test_x.py"),
    ],
)
def test_a_group_is_an_engine_or_the_virtual_machine_or_a_file(test: str, name: str) -> None:
    """An engine's host and the guest are started once; a file's fixtures and folders are used by one worker."""
    assert group(test) == name
