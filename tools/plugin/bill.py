"""The bill of materials (CycloneDX 1.5, JSON) and the licences of the root file system of the plugin."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path
from typing import Any

from tools.plugin.contents import BILL, SITE

DPKG, DOCUMENTS = Path("/var/lib/dpkg"), Path("/usr/share/doc")
UNKNOWN = "see its text"
CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True, slots=True)
class Component:
    """A package, its licence as it names it, and the texts that come with it."""

    name: str
    version: str
    licence: str
    url: str  # package URL, https://github.com/package-url/purl-spec
    texts: tuple[str, ...]


def write(out: Path, files: Iterable[Path]) -> None:
    """Write both files; ``files`` are those that were copied from the base."""
    components = [*python_components(out / SITE), *debian_components(files)]
    folder = out / BILL
    folder.mkdir(parents=True)
    bill = json.dumps(cyclonedx(components), indent=1, sort_keys=True)
    (folder / "sbom.cdx.json").write_text(bill + "\n")
    (folder / "licences.txt").write_text("\n".join(_texts(components)))


def python_components(site: Path) -> list[Component]:
    """Return the packages that are installed in ``site``, by name."""
    found = []
    for folder in sorted(site.glob("*.dist-info")):
        facts = message_from_string((folder / "METADATA").read_text(errors="replace"))
        name, version = normal(facts["Name"]), facts["Version"]
        texts = tuple(text.read_text(errors="replace") for text in sorted(_licence_files(folder)))
        found.append(Component(name, version, licence_of(facts), f"pkg:pypi/{name}@{version}", texts))
    return sorted(found, key=lambda component: component.name)


def licence_of(facts: Message) -> str:
    """Return the licence of a Python package from its metadata, by the newest of the three forms that it has."""
    classifiers = [text.removeprefix(CLASSIFIER) for text in facts.get_all("Classifier", []) if CLASSIFIER in text]
    named = (facts["License"] or "").strip()
    return facts["License-Expression"] or ", ".join(classifiers) or (named if "\n" not in named else "") or UNKNOWN


def normal(name: str) -> str:
    """Return a package's name as the index has it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _licence_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and re.match(r"(licen[cs]e|copying|notice|authors)", path.name, re.IGNORECASE):
            yield path


def debian_components(files: Iterable[Path]) -> list[Component]:
    """Return the packages that ``files`` belong to, by name."""
    owners, wanted = _owners(), {str(path) for file in files for path in (file, file.resolve())}
    names = {owners[path] for path in wanted if path in owners}
    found = []
    for facts in _installed():
        if facts["Package"] not in names:
            continue
        name, version = facts["Package"], facts["Version"]
        copyright_file = DOCUMENTS / name / "copyright"
        text = copyright_file.read_text(errors="replace") if copyright_file.exists() else ""
        licences = sorted(set(re.findall(r"^License: *([\w.+-]+)", text, re.MULTILINE)))
        url = f"pkg:deb/debian/{name}@{version}?arch={facts['Architecture']}"
        found.append(Component(name, version, ", ".join(licences) or UNKNOWN, url, (text,)))
    return sorted(found, key=lambda component: component.name)


def _owners() -> dict[str, str]:
    """Return the package of each file; a path below /lib may be known with /usr before it, and the other way round."""
    owners = {}
    for listing in (DPKG / "info").glob("*.list"):
        package = listing.stem.partition(":")[0]
        for path in listing.read_text().splitlines():
            owners[path] = owners[f"/usr{path}"] = owners[path.removeprefix("/usr")] = package
    return owners


def _installed() -> Iterator[Message]:
    for paragraph in (DPKG / "status").read_text(errors="replace").split("\n\n"):
        facts = message_from_string(paragraph)
        if facts["Package"]:
            yield facts


def cyclonedx(components: Iterable[Component]) -> dict[str, Any]:
    """Return the bill; its serial number is made from its contents, so that the same contents are the same bill."""
    entries = [
        {
            "type": "library",
            "bom-ref": part.url,
            "name": part.name,
            "version": part.version,
            "purl": part.url,
            "licenses": [{"license": {"name": part.licence}}],
        }
        for part in components
        if part.name != "pynet"
    ]
    product = next(part for part in components if part.name == "pynet")
    digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()
    serial = f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    subject = {"type": "application", "bom-ref": product.url, "name": product.name, "version": product.version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": subject | {"purl": product.url}},
        "components": entries,
        "dependencies": [{"ref": product.url, "dependsOn": [entry["bom-ref"] for entry in entries]}],
    }


def _texts(components: Iterable[Component]) -> Iterator[str]:
    for part in components:
        yield f"{'=' * 100}\n{part.name} {part.version}: {part.licence}\n{'=' * 100}\n"
        yield from part.texts
