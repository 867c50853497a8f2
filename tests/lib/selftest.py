#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checks are checked: each is shown something wrong and must say so."""

import contextlib
import io
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))

import ctext  # noqa: E402
import deps  # noqa: E402
import gen_states  # noqa: E402
import run_tests  # noqa: E402
import soak  # noqa: E402
import tidy  # noqa: E402
from tap import Tap  # noqa: E402

# What a program may print and how it may end, and what that counts as: passed, failed, skipped.
PROGRAMS = [
    ("passes", "echo ok 1 - a; echo ok 2 - b; echo 1..2", (2, 0, 0)),
    ("plan first", "echo 1..1; echo ok 1", (1, 0, 0)),
    ("fails", "echo not ok 1 - a; echo 1..1; exit 1", (0, 1, 0)),
    ("fails but exits 0", "echo not ok 1 - a; echo 1..1", (0, 1, 0)),
    ("skips", "echo 'ok 1 # SKIP no network'; echo 1..1", (0, 0, 1)),
    ("skips all", "echo '1..0 # SKIP no network'", (0, 0, 1)),
    ("prints nothing", "true", (0, 1, 0)),
    ("has no plan", "echo ok 1", (1, 1, 0)),
    ("has an empty plan", "echo 1..0", (0, 1, 0)),
    ("stops early", "echo 1..3; echo ok 1; echo ok 2", (2, 1, 0)),
    ("dies after its plan", "echo ok 1; echo 1..1; kill -SEGV $$", (1, 1, 0)),
    ("exits 1 without a failed check", "echo ok 1; echo 1..1; exit 1", (1, 1, 0)),
    ("bails out", "echo ok 1; echo 'Bail out! no memory'; echo 1..1; exit 1", (1, 1, 0)),
    ("a TODO is no excuse", "echo 'not ok 1 # TODO later'; echo 1..1", (0, 1, 0)),
    ("hangs", "echo ok 1; echo 1..1; sleep 30", (0, 1, 0)),
]

NESTED = """
static int deep(int a)
{
    for (int i = 0; i < a; i++) {
        if (i)
            while (a)
                a--;
        else if (a)
            switch (a) {
            case 1:
                if (i)
                    return (struct x){ { 1 } }.y;
                break;
            }
    }
    return 0;
}
int flat(int a, struct b (*c)(int, int), unsigned d[static 2])
{
    if (a)
        return 1;
    else if (d[0])
        return 2;
    else if (d[1])
        return 3;
    struct s x = { { { { { 1 } } } } };
    do
        a++;
    while (a < 3);
    return x.y;
}
static const struct row rows[] = {
    { .fn = f(1), .n = { 2 } },
};
__attribute__((warn_unused_result)) int none(void)
{
    return 0;
}
"""

BANNED = ["double d;", "n = __builtin_popcountll(x);", "p = malloc(8);", "errno = 0;",
          "printf(text);", "unsigned __int128 w;", "__atomic_store_n(p, 1, 0);", "qsort(a, n, s, f);",
          "struct __attribute__((packed)) s;", "#if X", "#ifdef X", "clock_gettime(CLOCK_REALTIME, t);"]
INNOCENT = ["/* a double octet */", "format(\"double\");", "set_free(x);", "runtime(0);",
            "ring_reprintf_not;", "#define X 1", "bool packed;"]

ALLOWED = [("src/tcp/output.c", "src/base/seq.h"), ("src/tcp/output.c", "src/tcp/tcb.h"),
           ("src/stack/stack.c", "src/ip/ip.h"), ("src/stack/stack.c", "include/weir/stack.h"),
           ("tests/unit/tcp.c", "src/tcp/tcb.h"), ("tools/get.c", "src/loop/loop.h"),
           ("src/dev/tap.c", "include/weir/weir.h")]
FORBIDDEN = [("src/tcp/output.c", "src/ip/ip.h"), ("src/ip/ip.c", "src/tcp/tcb.h"),
             ("src/base/seq.h", "src/wire/tcp.h"), ("src/wire/tcp.c", "src/trace/trace.h"),
             ("src/wire/tcp.c", "include/weir/stack.h"), ("src/dev/tap.c", "src/stack/stack.h"),
             ("tools/get.c", "src/tcp/tcb.h"), ("include/weir/stack.h", "src/base/seq.h"),
             ("src/tcp/output.c", "tests/lib/tap.h"), ("src/stack/stack.c", "src/dev/pair.h")]


def check_runner(tap):
    for name, script, want in PROGRAMS:
        program = run_tests.Program(name, ["sh", "-c", script],
                                    timeout=0.5 if name == "hangs" else 10)
        outcome = run_tests.run(program)
        got = (outcome.passed, outcome.failed, outcome.skipped)
        tap.check(got == want, f"runner: a program that {name}", f"{got}, not {want}")
    lost = run_tests.run(run_tests.Program("lost", ["./no-such-program"]))
    tap.check(lost.failed == 1, "runner: a program that is not there")


def soaked(stages):
    """What a soak of these prints and returns, the last of them never begun."""
    with tempfile.TemporaryDirectory() as folder, io.StringIO() as said, \
            contextlib.redirect_stdout(said):
        kept, soak.FOLDER = soak.FOLDER, folder
        try:
            made = [soak.Stage(name, 1, f"sh -c '{script}'") for name, script in stages]
            soak.Soak().play(made[:-1])
            code = soak.sum_up(made)
        finally:
            soak.FOLDER = kept
        with open(os.path.join(folder, "b.log"), encoding="utf-8") as file:
            return code, said.getvalue().splitlines(), file.read()


def check_soak(tap):
    code, lines, log = soaked([("a", "exit 1"), ("b", "echo ok 1; echo 1..1"), ("c", "true")])
    tap.check(code == 1 and lines[-1] == "1 passed, 2 failed, 0 skipped",
              "soak: goes on after a stage that fails, and one not run is a failure", *lines)
    tap.check(log == "ok 1\n1..1\n", "soak: what a stage prints is kept", log)
    names = [stage.name for group in (soak.builds(), soak.computing(1, 1), soak.waiting(1, 1))
             for stage in group]
    tap.check(len(names) == len(set(names)), "soak: each stage has a log of its own", *names)
    whole, tenth = ([stage.program.what for stage in soak.computing(scale, 5)] for scale in (1, 0.1))
    tap.check("5..20004" in whole[0] and "5..2004" in tenth[0] and "2005..2104" in tenth[1],
              "soak: the scale is of seeds, and none is drawn twice", *whole[:2], *tenth[:2])


def check_functions(tap):
    found = {f.name: (f.lines, f.parameters, f.nesting) for f in ctext.functions(NESTED)}
    want = {"deep": (16, 1, 4), "flat": (14, 3, 1), "none": (4, 0, 0)}
    tap.check(found == want, "tidy: functions are measured", f"{found}, not {want}")
    six = "int f(int a, int b, int c, int d, int e, int g, int (*h)(int, int));"
    tap.check(ctext.prototypes(six) == [("f", 1, 7)], "tidy: parameters of prototypes are counted")


def check_words(tap):
    def complaints(line):
        path = "src/base/shown.c"
        kept, ctext.read = ctext.read, lambda _: line + "\n"
        try:
            return list(tidy.banned(path))
        finally:
            ctext.read = kept

    for line in BANNED:
        tap.check(bool(complaints(line)), f"tidy: the core may not say: {line.replace('#', '')}")
    for line in INNOCENT:
        tap.check(not complaints(line), f"tidy: the core may say: {line.replace('#', '')}",
                  *complaints(line))


def check_layers(tap):
    for path, target in ALLOWED:
        tap.check(deps.may_include(path, target), f"deps: {path} may include {target}")
    for path, target in FORBIDDEN:
        tap.check(not deps.may_include(path, target), f"deps: {path} may not include {target}")
    ring = {"a.h": ["b.h"], "b.h": ["c.h"], "c.h": ["a.h"]}
    tap.check(deps.cycle(ring) is not None, "deps: a ring of includes is found")
    tap.check(deps.cycle({"a.h": ["b.h", "c.h"], "b.h": ["c.h"]}) is None, "deps: a diamond is none")


def check_states(tap):
    twice = 'EDGE( RCV_FIN, ESTABLISHED, CLOSE_WAIT, "8", "")\n' * 2
    odd = 'EDGE( RCV_FIN, ESTABLISHED, "8")\n'
    unknown = 'STAY( RCV_FIN, LISTENING, "8")\n'
    for name, text in (("a pair twice", twice), ("an odd line", odd), ("a wrong state", unknown)):
        try:
            gen_states.parse(text)
            refused = False
        except ValueError:
            refused = True
        tap.check(refused, f"gen_states: {name} is refused")


def main():
    tap = Tap()
    check_runner(tap)
    check_soak(tap)
    check_functions(tap)
    check_words(tap)
    check_layers(tap)
    check_states(tap)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
