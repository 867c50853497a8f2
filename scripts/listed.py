#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Nothing lies about unbuilt: every source is named in a meson.build."""

import os
import re
import sys

import ctext
from tap import Tap

WORD = re.compile(r"'([^']+)'")


def builds():
    """{folder: quoted words} of every meson.build."""
    found = {}
    for base, folders, names in os.walk(ctext.ROOT):
        folders[:] = [name for name in folders if not name.startswith((".", "build"))]
        if "meson.build" in names:
            folder = os.path.relpath(base, ctext.ROOT)
            text = ctext.read(os.path.join(folder, "meson.build"))
            # An apostrophe in a comment is no quote.
            text = re.sub(r"(^|\s)#.*$", "", text, flags=re.M)
            found[folder] = set(WORD.findall(text))
    return found


def unlisted(paths, named):
    """Files that no meson.build names: by path, or (tests, pages) by stem in a table above them."""
    exact = {os.path.normpath(os.path.join(folder, word))
             for folder, words in named.items() for word in words}
    for path in paths:
        stem = os.path.basename(path).rsplit(".", 1)[0]
        folder, tables = os.path.dirname(path), set()
        while folder:
            tables |= named.get(folder, set())
            folder = os.path.dirname(folder)
        if path not in exact and stem not in tables:
            yield f"{path} is in no meson.build"


def main():
    tap, named = Tap(), builds()
    for folder in ("src", "tools", "drill", "examples", "tests"):
        bad = list(unlisted(ctext.files(".c", under=[folder]), named))
        tap.check(not bad, f"every .c file of {folder} is built", *bad)
    bad = list(unlisted(ctext.files(".h", under=["include"]), named))
    tap.check(not bad, "every public header is installed", *bad)
    bad = list(unlisted(ctext.files(".scd", under=["man"]), named))
    tap.check(not bad, "every man page is installed", *bad)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
