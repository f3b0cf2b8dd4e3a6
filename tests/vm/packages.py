"""qemu and a kernel with everything, of Debian 12, unpacked beside the system as engines are.

``python -m tests.vm.packages`` fetches them and says what there is. qemu runs with the libraries of its own Debian,
so it runs on every other one. It emulates the processor: KVM is not everywhere, and is never asked for.
"""

import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.engine.lab.suites import Unavailable, unpacked

SUITE = "bookworm"
KERNEL = "?name(^linux-image-6[0-9.-]*-cloud-amd64$)"
QEMU = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "libc6", "libgcc-s1")
QEMU_LIBRARIES = """
    libaio1 libblkid1 libbpf1 libcapstone4 libdaxctl1 libelf1 libfdt1 libffi8 libfuse3-3 libglib2.0-0 libgmp10
    libgnutls30 libhogweed6 libibverbs1 libidn2-0 libjpeg62-turbo libkmod2 liblzma5 libmount1 libndctl6 libnettle8
    libnl-3-200 libnl-route-3-200 libnuma1 libp11-kit0 libpcre2-8-0 libpixman-1-0 libpmem1 libpng16-16 librdmacm1
    libsasl2-2 libseccomp2 libselinux1 libslirp0 libssl3 libtasn1-6 libudev1 libunistring2 liburing2 libuuid1
    libvdeplug2 libzstd1 zlib1g
"""
BUSYBOX = "busybox-static"  # loads modules, and is every command that the machine does not lend


@dataclass(frozen=True, slots=True)
class Machinery:
    """The unpacked packages, in one tree."""

    tree: Path

    @property
    def release(self) -> str:
        """The newest kernel in the tree: 6.1.0-56-cloud-amd64."""
        found = [folder.name for folder in (self.tree / "lib/modules").iterdir()]
        return max(found, key=lambda name: [int(number) for number in re.findall(r"\d+", name.partition("-cloud")[0])])

    @property
    def kernel(self) -> Path:
        """The kernel to start."""
        return self.tree / f"boot/vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        """The folder of its modules."""
        return self.tree / "lib/modules" / self.release

    @property
    def busybox(self) -> Path:
        """A busybox that needs no libraries."""
        return self.tree / "bin/busybox"

    @property
    def qemu(self) -> list[str]:
        """The beginning of the command that starts the emulator."""
        machine = "x86_64-linux-gnu"
        libraries = ":".join(str(self.tree / folder / machine) for folder in ("lib", "usr/lib"))
        loader = str(self.tree / "lib" / machine / "ld-linux-x86-64.so.2")
        program = str(self.tree / "usr/bin/qemu-system-x86_64")
        firmware = [word for name in ("qemu", "seabios") for word in ("-L", str(self.tree / "usr/share" / name))]
        return [loader, "--library-path", libraries, program, *firmware]

    @property
    def environment(self) -> dict[str, str]:
        """Where the emulator finds its own parts."""
        return {"QEMU_MODULE_DIR": str(self.tree / "usr/lib/x86_64-linux-gnu/qemu")}


def obtain() -> Machinery:
    """Return emulator and kernel, downloading them on first use.

    Raises:
        Unavailable: they are not to be had from the Debian archive, or not for this processor.
    """
    if platform.machine() != "x86_64":
        raise Unavailable(f"a virtual machine: only for x86_64, and this is {platform.machine()}")
    return Machinery(unpacked(SUITE, *QEMU, *QEMU_LIBRARIES.split(), BUSYBOX, KERNEL, name="vm"))


if __name__ == "__main__":
    try:
        print(f"vm: kernel {obtain().release} in {obtain().tree}")
    except Unavailable as why:
        print(f"vm: NOT AVAILABLE: {why}", file=sys.stderr)
