"""What was written reaches the disk: a power cut after it loses none of it."""

from __future__ import annotations

import os
from pathlib import Path


def sync(file: Path, root: Path) -> None:
    """Write a file, and the entries of the folders that lead to it from `root`, through to the disk; raises OSError."""
    _sync(file)
    folder = file.parent
    while True:
        _sync(folder)
        if folder in (root, folder.parent):
            return
        folder = folder.parent


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
