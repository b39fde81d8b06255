"""Durable writes: a power cut afterwards loses none of them."""

from __future__ import annotations

import os
from pathlib import Path


def sync(root: Path, *files: Path) -> None:
    """Write files of one folder, and then the entries of the folders that lead to it from `root`, through to the disk.

    Contents first: an entry without its content would be an empty file. Raises OSError.
    """
    for file in files:
        _sync(file)
    folder = files[0].parent
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
