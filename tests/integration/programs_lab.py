# SPDX-License-Identifier: MIT
"""What the tests of run_programs.py share: the three ways to pair a server with a client, servers
that are started and ended in order, and files with a known checksum."""

import hashlib
import os
import shutil
import socket
import subprocess
import time

from run_tcp import KERNEL, LIMIT, WEIR, Lab, until

START_LIMIT = 100
END_LIMIT = 60


class Way:
    """Who of the two is on weir, and the server's address as the client sees it."""

    def __init__(self, lab, server_on_weir, client_on_weir):
        plain = lambda *words: list(words)  # noqa: E731
        self.serve = lab.under if server_on_weir else plain
        self.use = lab.under if client_on_weir else plain
        self.server_on_weir = server_on_weir
        self.client_on_weir = client_on_weir
        self.host = (WEIR if server_on_weir else KERNEL)[4]
        self.text = {(True, False): "weir serves the kernel", (False, True): "the kernel serves weir",
                     (True, True): "weir serves weir"}[server_on_weir, client_on_weir]


class ProgramLab(Lab):
    def __init__(self, build, more=()):
        """`more`: options of weir run."""
        super().__init__(build)
        self.more = more
        os.chmod(self.folder, 0o755)  # servers that drop root read their files here
        self.ways = [Way(self, *on) for on in ((True, False), (False, True), (True, True))]
        self.port_next = 10000

    def under(self, *command):
        return [self.program("weir"), "run", *self.more, "--socket", self.socket, "--", *command]

    def port(self):
        self.port_next += 1
        return self.port_next

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def random_file(self, name, size):
        """(its path, its SHA-256); made once."""
        path = self.path(name)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                for _ in range(0, size, 1 << 20):
                    file.write(os.urandom(min(size, 1 << 20)))
            os.chmod(path, 0o644)
        return path, sha256_of(path)

    def server(self, way, port, *command, **options):
        """Starts a server and waits until it takes connections; what it says goes to a file."""
        log = self.path(f"log-{port}")
        with open(log, "wb") as file:
            process = subprocess.Popen(way.serve(*command), stdin=subprocess.DEVNULL, stdout=file,
                                       stderr=subprocess.STDOUT, **options)
        process.log = log
        self.children.append(process)
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end and process.poll() is None:
            try:
                socket.create_connection((way.host, port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        return process

    def end(self, process):
        """SIGTERM; True if the program then ended by itself."""
        process.terminate()
        try:
            process.wait(END_LIMIT)
            return True
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False

    def shell(self, text, timeout=LIMIT):
        return self.run("bash", "-c", text, timeout=timeout)


def said_by(process, last=1500):
    with open(process.log, "rb") as file:
        return file.read()[-last:]


def sha256_of(path):
    if not os.path.exists(path):
        return "no file"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() \
            if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read()).hexdigest()


def program(name):
    """Where a program is; servers lie where not every PATH leads. None: not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


def missing(tap, *names):
    for name in names:
        if program(name) is None:
            tap.skip(f"{name} is not installed")
            return True
    return False


__all__ = ["LIMIT", "ProgramLab", "missing", "program", "said_by", "sha256_of", "until"]
