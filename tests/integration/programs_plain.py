# SPDX-License-Identifier: MIT
"""Programs that move octets and little else, under `weir run`: iperf3, socat, nc, a static Rust
binary."""

import json
import os
import subprocess

from programs_lab import missing, said_by, sha256_of

OCTETS = 192 << 20  # the end does not wait for what lies in buffers: some 10 MiB a stream
SIZE = 8 << 20
RUST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs_static.rs")


def received(said):
    """(octets, how many streams) of an iperf3 report; (0, 0) if there is none."""
    try:
        end = json.loads(said)["end"]
        return end["sum_received"]["bytes"], len(end["streams"])
    except (ValueError, KeyError):
        return 0, 0


def test_iperf(lab, tap):
    if missing(tap, "iperf3"):
        return
    for way in lab.ways:
        port = str(lab.port())
        server = lab.spawn(*way.serve("iperf3", "-s", "-p", port, "-B", way.host, "--forceflush"))
        for options, streams in (([], 1), (["-R"], 1), (["-P", "4"], 4), (["-P", "4", "-R"], 4)):
            # It says so each time; between two tests it does not listen.
            while b"listening" not in server.stdout.readline() and server.poll() is None:
                pass
            status, said = lab.run(*way.use("iperf3", "-J", "-c", way.host, "-p", port, "-n",
                                            str(OCTETS), *options))
            octets, count = received(said)
            tap.check(status == 0 and octets >= OCTETS * 2 // 3 and count == streams,
                      f"iperf3 {' '.join(options + ['192 MiB'])}: {way.text}", status, octets, count,
                      said[-600:])
        lab.stop(server)


def test_socat(lab, tap):
    if missing(tap, "socat"):
        return
    path, digest = lab.random_file("plain", SIZE)
    for way in lab.ways:
        port = lab.port()
        server = lab.server(way, port, "socat", f"TCP-LISTEN:{port},bind={way.host},reuseaddr,fork",
                            "EXEC:sha256sum")
        client = " ".join(way.use("socat", "-t10", "-", f"TCP:{way.host}:{port}"))
        status, said = lab.shell(f"{client} <{path}")
        tap.check(status == 0 and said.split()[:1] == [digest.encode()],
                  f"socat, half closed, gets the checksum back: {way.text}", status, said,
                  said_by(server))
        tap.check(lab.end(server), "and SIGTERM ends the server")


def test_nc(lab, tap):
    if missing(tap, "nc"):
        return
    path, digest = lab.random_file("plain", SIZE)
    for way in lab.ways:
        port = lab.port()
        out = lab.path("nc.out")
        server = subprocess.Popen(
            ["bash", "-c", " ".join(way.serve("nc", "-N", "-l", way.host, str(port))) + f" >{out}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        lab.children.append(server)
        client = " ".join(way.use("nc", "-N", way.host, str(port)))
        # It serves one connection, so that being there cannot be tried out first.
        status, said = lab.shell(f"for i in $(seq 200); do {client} <{path} && exit; sleep 0.05; "
                                 "done; exit 1")
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            pass
        tap.check(status == 0 and server.poll() == 0 and sha256_of(out) == digest,
                  f"nc carries a file: {way.text}", status, server.poll(), said)
        lab.stop(server)


def test_rust(lab, tap):
    """A binary with a run-time library of its own, and nothing that could be loaded into it."""
    if missing(tap, "rustc"):
        return
    binary = lab.path("static-rust")
    made = subprocess.run(["rustc", "-O", "-C", "target-feature=+crt-static", "-o", binary, RUST],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if made.returncode != 0:
        tap.skip("rustc makes no static binary here")
        return
    for way in lab.ways:
        port = str(lab.port())
        server = lab.server(way, int(port), binary, "serve", f"{way.host}:{port}")
        status, said = lab.run(*way.use(binary, "talk", f"{way.host}:{port}"))
        tap.check(status == 0 and said == b"all equal\n",
                  f"a static Rust binary, 16 threads: {way.text}", status, said, said_by(server))
        tap.check(lab.end(server), "and SIGTERM ends the server")
