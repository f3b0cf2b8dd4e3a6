"""The parts of the managed plugin: generated files, reproducible archives, and a registry of one."""

import json
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from cli.settings import SETTINGS, read_settings
from tools.plugin import base, build, config, licences, tree
from tools.plugin.bill import Component, cyclonedx
from tools.plugin.contents import GUIDE
from tools.plugin.registry import Plugin, digest_of, find


def test_config_json_is_made_from_the_settings() -> None:
    """``config.json`` is as ``make lint`` writes it; every setting can be set, and the values are understood.

    The engine's socket cannot be reached from the plugin, so its setting is not offered.
    """
    assert config.FILE.read_text() == config.text()
    written = json.loads(config.FILE.read_text())["env"]

    assert [entry["name"] for entry in written] == [option.key for option in SETTINGS if option not in config.UNUSABLE]
    assert "PYNET_DOCKER_SOCKET" not in config.FILE.read_text()
    assert all(entry["settable"] == ["value"] for entry in written)
    values = {entry["name"]: entry["value"] for entry in written} | {"PYNET_SYSCTL_DIR": "/proc/sys"}
    assert read_settings(values).name == "pynet"


def test_the_list_of_licences_is_true() -> None:
    """``docs/licences.md`` is as ``make lint`` writes it, and each package has a licence."""
    assert licences.FILE.read_text() == licences.text()
    assert "see its text" not in licences.text()


def test_every_source_of_the_build_is_there() -> None:
    """A source that is moved would be noticed by nobody but the next ``make plugin``."""
    assert [name for name in build.SOURCES if not (build.REPOSITORY / name).exists()] == []


def test_the_image_has_the_labels_of_oci() -> None:
    """Version and source are given by the build, which knows them."""
    text = (build.REPOSITORY / "Dockerfile").read_text()
    for name in ("version=${VERSION}", "source=${SOURCE}", "licenses=Apache-2.0", f"documentation=/{GUIDE}"):
        assert f"org.opencontainers.image.{name}" in text
    assert re.fullmatch(r"\d+\.\d+\.\d+", build.version())


@pytest.mark.parametrize(
    ("origin", "source"),
    [
        ("https://example.org/pynet.git", "https://example.org/pynet.git"),
        ("https://me:secret@example.org/p", ""),
        ("", ""),
    ],
)
def test_the_source_is_a_public_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str, source: str
) -> None:
    """An address with a password is not written into an image, and a folder is no address."""
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", origin or str(tmp_path)], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert build.origin() == source


def archive(path: Path, names: list[str], mtime: int) -> Path:
    """Return a tar archive of small files."""
    with tarfile.open(path, "w") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.mtime, entry.uid, entry.uname = mtime, mtime, "me"
            tar.addfile(entry)
    return path


def test_an_archive_depends_on_nothing_but_the_files(tmp_path: Path) -> None:
    """An archive does not depend on order, times, owners or files that the engine added."""
    one = archive(tmp_path / "1", ["usr/b", "usr/a", ".dockerenv", "etc/hosts", "dev/null"], 1)
    two = archive(tmp_path / "2", ["./usr/a", "./usr/b", "etc/hostname"], 2)
    tree.normalise(one, tmp_path / "one")
    tree.normalise(two, tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with tarfile.open(tmp_path / "one") as tar:
        assert tar.getnames() == ["usr/a", "usr/b"]


def test_the_registry_serves_what_its_manifest_names(tmp_path: Path) -> None:
    """The engine asks for the manifest by tag and digest, and for the blobs by digest; nothing else is there."""
    plugin = Plugin('{"description": "x"}', archive(tmp_path / "rootfs.tar", ["a"], 1))
    kind, manifest = find(plugin, "/v2/pynet/manifests/latest")
    assert manifest is not None
    assert find(plugin, f"/v2/pynet/manifests/{digest_of(manifest)}") == (kind, manifest)
    named = json.loads(manifest)

    for part in (named["config"], *named["layers"]):
        blob = find(plugin, f"/v2/pynet/blobs/{part['digest']}")[1]
        assert blob is not None
        assert (digest_of(blob), len(blob)) == (part["digest"], part["size"])
    assert find(plugin, "/v2/pynet/blobs/sha256:00")[1] is None
    assert find(plugin, "/v2/")[1] == b"{}"


def test_the_same_contents_are_the_same_bill() -> None:
    """The bill of the same contents is the same; pynet is its subject, the packages its parts."""
    parts = [Component(name, "1", "MIT", f"pkg:pypi/{name}@1", ()) for name in ("click", "pynet")]
    bill = cyclonedx(parts)

    assert bill == cyclonedx(parts)
    assert bill["metadata"]["component"]["name"] == "pynet"
    assert [part["name"] for part in bill["components"]] == ["click"]


def test_a_base_made_of_packages_trusts_the_authorities_in_it(tmp_path: Path) -> None:
    """No script of a package runs there, and pip 25 ends without the bundle that the one of ca-certificates writes."""
    authorities = tmp_path / base.AUTHORITIES / "mozilla"
    authorities.mkdir(parents=True)
    (authorities / "b.crt").write_text("two\n")
    (authorities / "a.crt").write_text("one\n")
    base.trust(tmp_path)

    assert (tmp_path / "etc/ssl/certs/ca-certificates.crt").read_text() == "one\ntwo\n"


def test_the_newest_base_is_asked_for_only_if_the_lists_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build is kept while the lists of apt are older; a wish for another base ends it at once."""
    monkeypatch.setenv("BASE", "packages")
    later = base.LISTS.stat().st_mtime + 1 if base.LISTS.exists() else 1.0

    assert base.is_newest(f"{base.OWN}:1", later)
    assert not base.is_newest(base.IMAGE, later)
    monkeypatch.setenv("BASE", "other")
    assert not base.is_newest(f"{base.OWN}:1", later)
    assert base.is_newest("other", later)
