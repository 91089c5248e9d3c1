"""A browser without a window, where the machine has one, for tests of what people look at."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSER = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def open_page(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess:
    """The page after its scripts have run, as standard output, and what the browser says.

    Parameters
    ----------
    profile : Path
        A folder for the browser's own files.
    """
    return subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            *options,
            "--dump-dom",
            url,
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
