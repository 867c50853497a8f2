# SPDX-License-Identifier: MIT
"""C sources as the checks see them: without comments and strings, as tokens, as functions.

Not a compiler: it knows what clang-format leaves behind, and no more.
"""

import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("include", "src", "daemon", "run", "tools", "drill", "doctor", "examples", "tests")
PURE = ("base", "wire", "trace", "tcp", "udp", "ip", "stack", "sock")

_NOT_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.S)
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|\S")
_CONTROL = {"if", "for", "while", "switch"}


def files(*extensions, under=FOLDERS):
    """Paths relative to the root, sorted, of all files with one of these extensions."""
    found = []
    for folder in under:
        for base, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if name.endswith(extensions):
                    found.append(os.path.relpath(os.path.join(base, name), ROOT))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def is_pure(path):
    parts = path.split("/")
    return len(parts) > 2 and parts[0] == "src" and parts[1] in PURE


def without_comments(text):
    """The code with comments and the inside of strings blanked; lines stay where they were."""

    def blank(match):
        kept = match.group(0)
        if kept.startswith(("/*", "//")):
            return re.sub(r"[^\n]", " ", kept)
        return kept[0] + " " * (len(kept) - 2) + kept[-1]

    return _NOT_CODE.sub(blank, text)


def without_directives(code):
    """The code with preprocessor lines (and what they continue on) blanked."""
    lines, inside = [], False
    for line in code.split("\n"):
        directive = inside or line.lstrip().startswith("#")
        inside = directive and line.endswith("\\")
        lines.append("" if directive else line)
    return "\n".join(lines)


def tokens(code):
    """(token, line) of code without comments and directives."""
    found = []
    for number, line in enumerate(code.split("\n"), 1):
        found.extend((match.group(0), number) for match in _TOKEN.finditer(line))
    return found


class Function:
    def __init__(self, name, first, last, parameters, nesting):
        self.name, self.first, self.last = name, first, last
        self.lines = last - first + 1
        self.parameters, self.nesting = parameters, nesting


def functions(text):
    """Every function defined in a file: name, lines, number of parameters, depth of nesting."""
    toks = tokens(without_directives(without_comments(text)))
    found, start, i = [], 0, 0
    while i < len(toks):
        token = toks[i][0]
        if token == "{":
            end = _close(toks, i)
            call = _parameter_list(toks, start, i)
            if call is not None:
                name, count = call
                nesting = _Statements(toks[i + 1 : end]).deepest()
                found.append(Function(name, toks[start][1], toks[end][1], count, nesting))
                start = end + 1
            i = end
        elif token == ";":
            start = i + 1
        i += 1
    return found


def prototypes(text):
    """(name, line, number of parameters) of every function a header declares."""
    toks = tokens(without_directives(without_comments(text)))
    found, start, i = [], 0, 0
    while i < len(toks):
        token = toks[i][0]
        if token == "{":
            i = _close(toks, i)
        elif token == ";":
            call = _parameter_list(toks, start, i)
            if call is not None and "typedef" not in (t for t, _ in toks[start:i]):
                found.append((call[0], toks[start][1], call[1]))
            start = i + 1
        i += 1
    return found


def _close(toks, i):
    """The index of the bracket that closes the one at i."""
    opening = toks[i][0]
    closing = {"(": ")", "{": "}", "[": "]"}[opening]
    depth = 0
    for j in range(i, len(toks)):
        if toks[j][0] == opening:
            depth += 1
        elif toks[j][0] == closing:
            depth -= 1
            if depth == 0:
                return j
    return len(toks) - 1


def _parameter_list(toks, start, end):
    """(name, count) of the parameter list in a declarator, or None if it is not a function's."""
    i = start
    while i < end:
        token = toks[i][0]
        if token == "=":
            return None
        if token == "(":
            close = _close(toks, i)
            before = toks[i - 1][0] if i > start else ""
            if before not in ("__attribute__", "_Alignas", "_Static_assert", "") and (
                before[0].isalpha() or before[0] == "_"
            ):
                return before, _count(toks[i + 1 : close])
            i = close
        i += 1
    return None


def _count(inside):
    if not inside or [t for t, _ in inside] == ["void"]:
        return 0
    depth, commas = 0, 0
    for token, _ in inside:
        depth += (token in "([{") - (token in ")]}")
        commas += token == "," and depth == 0
    return commas + 1


class _Statements:
    """How deep control statements stand in one another, braces or not; `else if` is no deeper."""

    def __init__(self, toks):
        self.toks, self.at, self.depth = toks, 0, 0

    def deepest(self):
        while self.at < len(self.toks):
            self.statement(0)
        return self.depth

    def peek(self):
        return self.toks[self.at][0] if self.at < len(self.toks) else ""

    def parens(self):
        if self.peek() == "(":
            self.at = _close(self.toks, self.at) + 1

    def inner(self, depth):
        self.depth = max(self.depth, depth + 1)
        self.statement(depth + 1)

    def statement(self, depth):
        token = self.peek()
        if token == "{":
            self.at += 1
            while self.peek() not in ("}", ""):
                self.statement(depth)
            self.at += 1
        elif token in _CONTROL:
            self.at += 1
            self.parens()
            self.inner(depth)
            if token == "if" and self.peek() == "else":
                self.at += 1
                self.statement(depth) if self.peek() == "if" else self.inner(depth)
        elif token == "do":
            self.at += 1
            self.inner(depth)
            self.simple()
        elif token in ("case", "default"):
            while self.peek() not in (":", ""):
                self.at += 1
            self.at += 1
        else:
            self.simple()

    def simple(self):
        """To the semicolon, over initialisers and compound literals; or a loop macro's body."""
        while self.at < len(self.toks):
            token = self.peek()
            if token in ("(", "{", "["):
                self.at = _close(self.toks, self.at) + 1
                continue
            if token == "}":
                return
            self.at += 1
            if token == ";":
                return
