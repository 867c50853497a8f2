#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes explain_pages.c from the texts beside this file, and refuses a page that lacks a language.

    compile.py OUTPUT FILE...
"""

import os
import sys

KEYS = ("title", "means", "who", "see", "myth")


class Wrong(Exception):
    """A line that cannot be a page."""


def sections(lines):
    """Pages of states, flags and options of TCP: a heading and keys."""
    pages = []
    for number, line in lines:
        if line.startswith("== "):
            kind, *names = line[3:].split()
            pages.append({"kind": kind, "names": names})
            continue
        key, colon, text = line.partition(": ")
        if not colon or key.removesuffix(".zh") not in KEYS or not pages or key in pages[-1]:
            raise Wrong(f"line {number}: not a key of a page: {line[:40]}")
        pages[-1][key] = text.strip()
    for page in pages:
        lacking = [key + end for key in KEYS for end in ("", ".zh") if not page.get(key + end)]
        if lacking:
            raise Wrong(f"{page['names'][0]} lacks {', '.join(lacking)}")
    return pages


def columns(number, line, least, most):
    cells = [cell.strip() for cell in line.split(" |")]
    if not least <= len(cells) <= most:
        raise Wrong(f"line {number}: {len(cells)} columns")
    return cells + [""] * (most - len(cells))


def sentence(text, end="."):
    """The cells of a table as sentences; names keep their case."""
    if not text:
        return text
    if "_" not in text.split()[0] and text[0].islower():
        text = text[0].upper() + text[1:]
    return text + end


def sockopts(lines):
    pages = []
    for number, line in lines:
        english, bars, chinese = line.partition(" || ")
        if not bars:
            raise Wrong(f"line {number}: no Chinese")
        names, title, who, myth = columns(number, english, 4, 4)
        title_zh, who_zh, myth_zh = columns(number, chinese, 3, 3)
        pages.append({"kind": "sockopt", "names": names.split(), "title": title,
                      "who": sentence(who), "myth": sentence(myth), "title.zh": title_zh,
                      "who.zh": sentence(who_zh, "。"), "myth.zh": sentence(myth_zh, "。")})
    return pages


def errnos(lines):
    pages = []
    for number, line in lines:
        name, title, means, who, myth = columns(number, line, 4, 5)
        pages.append({"kind": "errno", "names": [name], "title.zh": title, "means.zh": means,
                      "who.zh": who, "myth.zh": myth})
    return pages


def sysctls(lines):
    pages = []
    for number, line in lines:
        name, title, title_zh, myth, myth_zh = columns(number, line, 3, 5)
        if bool(myth) != bool(myth_zh):
            raise Wrong(f"line {number}: a myth in one language")
        pages.append({"kind": "sysctl", "names": [name], "title": title, "title.zh": title_zh,
                      "myth": sentence(myth), "myth.zh": sentence(myth_zh, "。")})
    return pages


READERS = {"states.txt": sections, "flags.txt": sections, "options.txt": sections,
           "sockopts.txt": sockopts, "errnos.txt": errnos, "sysctls.txt": sysctls}


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def show(page):
    parts = [f".kind = EXPLAIN_{page['kind'].upper()}",
             f".names = {quoted(' '.join(page['names']))}"]
    for key in KEYS:
        texts = [page.get(key, ""), page.get(key + ".zh", "")]
        if any(texts):
            inner = ", ".join(quoted(text) if text else "NULL" for text in texts)
            parts.append(f".{key} = {{ {inner} }}")
    return "    { " + ",\n      ".join(parts) + " },\n"


def main():
    output, *paths = sys.argv[1:]
    pages = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            lines = [(number, line.rstrip("\n")) for number, line in enumerate(file, 1)
                     if line.strip() and not line.startswith("#")]
        try:
            pages += READERS[os.path.basename(path)](lines)
        except Wrong as error:
            sys.exit(f"{path}: {error}")
    with open(output, "w", encoding="utf-8") as file:
        file.write('/* Made from tools/explain by compile.py: do not edit. */\n#include "explain.h"\n'
                   "#include <stddef.h>\n"
                   "const struct explain_page explain_pages[] = {\n")
        file.writelines(map(show, pages))
        file.write(f"}};\nconst unsigned explain_page_count = {len(pages)};\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
