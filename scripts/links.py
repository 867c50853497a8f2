#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every relative link of a Markdown file leads to a file that is there."""

import glob
import os
import re
import sys

import ctext
from tap import Tap

LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def main():
    tap = Tap()
    pages = glob.glob("*.md", root_dir=ctext.ROOT)
    pages += glob.glob("docs/**/*.md", root_dir=ctext.ROOT, recursive=True)
    for page in sorted(pages):
        folder = os.path.join(ctext.ROOT, os.path.dirname(page))
        links = [link for link in LINK.findall(ctext.read(page)) if "://" not in link]
        dead = [link for link in links if not os.path.exists(os.path.join(folder, link))]
        tap.check(not dead, f"the links of {page} lead somewhere", *dead)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
