"""The parts of the root file system of the managed plugin, and the parts that are left out."""

# Debian's names; Ubuntu has the same. The base image needs them, the root file system gets the files that are used.
PACKAGES = ("python3", "libnftables1", "netbase", "python3-pip-whl", "dash")

SITE = "opt/pynet"  # folder of pynet and of the packages of requirements.lock
COMMAND = "usr/bin/pynet"
GUIDE = "usr/share/doc/pynet/plugin.md"
BILL = "usr/share/pynet"  # folder of the bill of materials and of the licences

# Of the standard library: what needs a terminal, a compiler or a desktop, and what tests or installs.
# fmt: off
UNUSED_MODULES = (
    "__phello__",
    "_aix_support.py",
    "_bootsubprocess.py",
    "_osx_support.py",
    "antigravity.py",
    "cProfile.py",
    "cgi.py",
    "cgitb.py",
    "curses",
    "dbm",
    "distutils",
    "ensurepip",
    "ftplib.py",
    "idlelib",
    "imaplib.py",
    "lib2to3",
    "mailbox.py",
    "mailcap.py",
    "nntplib.py",
    "pdb.py",
    "poplib.py",
    "profile.py",
    "pstats.py",
    "pty.py",
    "pydoc.py",
    "pydoc_data",
    "rlcompleter.py",
    "sitecustomize.py",
    "smtplib.py",
    "sndhdr.py",
    "sunau.py",
    "telnetlib.py",
    "test",
    "this.py",
    "timeit.py",
    "tkinter",
    "trace.py",
    "tty.py",
    "turtle.py",
    "turtledemo",
    "venv",
    "wave.py",
    "webbrowser.py",
    "xdrlib.py",
    "xmlrpc",
)
# fmt: on
UNUSED_EXTENSIONS = (
    "_codecs_",
    "_crypt",
    "_ctypes_test",
    "_curses",
    "_dbm",
    "_gdbm",
    "_lsprof",
    "_test",
    "_tkinter",
    "_xx",
    "audioop",
    "nis",
    "ossaudiodev",
    "readline",
    "xx",
)
# Of the packages: what builds them, and what is not read while pynet serves.
UNUSED_PACKAGES = ("setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth", "bin", "__pycache__")
UNUSED_FILES = ("RECORD", "INSTALLER", "REQUESTED", "WHEEL", "direct_url.json", "top_level.txt")
UNUSED_SUFFIXES = (".pyi", ".c", ".h", ".pyx", ".pxd")
