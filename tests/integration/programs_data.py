# SPDX-License-Identifier: MIT
"""Servers that keep something, under `weir run`: Redis, OpenSSH, PostgreSQL."""

import getpass
import glob
import os
import shutil
import subprocess
import time

from programs_lab import missing, program, said_by, sha256_of
from run_tcp import KERNEL, WEIR

VALUE = 4 << 20
SSH_FILE = 100 << 20
TRANSACTIONS = 50
CLIENTS = 8


# ---- Redis ----

def test_redis(lab, tap):
    if missing(tap, "redis-server", "redis-benchmark", "redis-cli"):
        return
    value, digest = lab.random_file("value", VALUE)
    for way in lab.ways:
        port = lab.port()
        server = lab.server(way, port, program("redis-server"), "--port", str(port), "--bind",
                            way.host, "--save", "", "--dir", lab.folder, "--protected-mode", "no")
        where = ["-h", way.host, "-p", str(port)]
        cli = " ".join(way.use("redis-cli", *where))
        out = lab.path("value.out")
        status, said = lab.shell(f"{cli} -x set kept <{value} && {cli} --raw get kept | "
                                 f"head -c {VALUE} >{out}")
        tap.check(status == 0 and sha256_of(out) == digest,
                  f"redis keeps 4 MiB and gives them back: {way.text}", status, said[-300:],
                  said_by(server))
        for text, options in (("50 clients", ["-c", "50", "-n", "6000", "-t", "set,get,incr"]),
                              ("one client", ["-c", "1", "-n", "1000", "-t", "get"]),
                              ("50 clients, 16 in a pipeline",
                               ["-c", "50", "-P", "16", "-n", "20000", "-t", "set,lrange_100"])):
            status, said = lab.run(*way.use("redis-benchmark", "-q", *where, *options))
            tap.check(status == 0 and b"rror" not in said and b"requests per second" in said,
                      f"redis-benchmark, {text}: {way.text}", status, said[-500:])
        status, said = lab.run(*way.use("redis-cli", *where, "get", "counter:__rand_int__"))
        tap.check(said.strip() == b"6000", f"and every INCR has counted: {way.text}", status, said)
        tap.check(lab.end(server), "and SIGTERM ends the server", said_by(server))


# ---- OpenSSH ----

SSHD = """Port {port}
ListenAddress {host}
HostKey {folder}/ssh/host
AuthorizedKeysFile {folder}/ssh/user.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
Subsystem sftp /usr/lib/openssh/sftp-server
"""


def make_keys(lab):
    os.makedirs(lab.path("ssh"), exist_ok=True)
    for name in ("host", "user"):
        if not os.path.exists(lab.path("ssh", name)):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                            lab.path("ssh", name)], check=True, stdin=subprocess.DEVNULL)


def test_ssh(lab, tap):
    if missing(tap, "sshd", "scp", "ssh-keygen"):
        return
    if not os.path.isdir("/run/sshd"):  # what the service's start makes
        os.mkdir("/run/sshd", 0o755)
    make_keys(lab)
    path, digest = lab.random_file("scp", SSH_FILE)
    out = lab.path("scp.out")
    user = getpass.getuser()
    for way in lab.ways:
        port = lab.port()
        config = lab.write(f"sshd-{port}.conf", SSHD.format(host=way.host, port=port,
                                                            folder=lab.folder))
        server = lab.server(way, port, program("sshd"), "-D", "-e", "-f", config)
        options = ["-q", "-i", lab.path("ssh", "user"), "-o", "StrictHostKeyChecking=no", "-o",
                   "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
        status, said = lab.run(*way.use("ssh", *options, "-p", str(port), f"{user}@{way.host}",
                                        "echo $SSH_CONNECTION; exit 7"))
        words = said.decode().split()
        client = (WEIR if way.client_on_weir else KERNEL)[4]
        tap.check(status == 7 and words[:1] == [client] and words[2:] == [way.host, str(port)],
                  f"ssh runs a command: {way.text}", status, said[-500:], said_by(server))
        there = f"{user}@{way.host}:{path}"
        back = f"{user}@{way.host}:{out}"
        pairs = [("to the server", path, back)]
        if not (way.server_on_weir and way.client_on_weir):
            pairs.append(("from the server", there, out))
        for text, source, target in pairs:
            status, said = lab.run(*way.use("scp", *options, "-P", str(port), source, target),
                                   timeout=180)
            tap.check(status == 0 and sha256_of(out) == digest,
                      f"scp of 100 MiB {text}: {way.text}", status, said[-500:], said_by(server))
            if os.path.exists(out):
                os.unlink(out)
        tap.check(lab.end(server), "and SIGTERM ends the server", said_by(server))
    os.unlink(path)


# ---- PostgreSQL ----

def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else program(name)


def as_postgres(*command):
    """PostgreSQL refuses to be root."""
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]


def make_cluster(lab):
    folder = lab.path("pg")
    os.makedirs(folder)
    shutil.chown(folder, "nobody", "nogroup")
    return folder, *lab.run(*as_postgres(
        postgres_program("initdb"), "-D", folder, "-A", "trust", "-U", "weir", "--no-sync",
        "--no-instructions", "--locale=C"), timeout=180)


SUMS = ("select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from "
        "pgbench_history) and (select sum(bbalance) from pgbench_branches) = (select sum(delta) "
        "from pgbench_history), (select count(*) from pgbench_history)")


def test_postgres(lab, tap):
    if postgres_program("initdb") is None or postgres_program("pgbench") is None:
        tap.skip("PostgreSQL or pgbench is not installed")
        return
    folder, status, said = make_cluster(lab)
    if not tap.check(status == 0, "PostgreSQL makes a cluster", said[-500:]):
        return
    with open(os.path.join(folder, "pg_hba.conf"), "a", encoding="ascii") as file:
        file.write("host all all 192.0.2.0/24 trust\n")
    for way in lab.ways:
        port = lab.port()
        server = lab.server(way, port, *as_postgres(
            postgres_program("postgres"), "-D", folder, "-p", str(port), "-F", "-c",
            f"listen_addresses={way.host}", "-c", "unix_socket_directories="))
        where = ["-h", way.host, "-p", str(port), "-U", "weir", "postgres"]
        bench = postgres_program("pgbench")
        for _ in range(100):  # it listens before it lets anybody in
            if lab.run(*way.use(postgres_program("psql"), "-Atc", "select 1", *where))[0] == 0:
                break
            time.sleep(0.1)
        status, said = lab.run(*way.use(bench, "-i", "-q", *where))
        tap.check(status == 0, f"pgbench fills its tables by COPY: {way.text}", status, said[-500:],
                  said_by(server))
        status, said = lab.run(*way.use(bench, "-c", str(CLIENTS), "-j", "2", "-t",
                                        str(TRANSACTIONS), *where))
        wanted = f"{CLIENTS * TRANSACTIONS}/{CLIENTS * TRANSACTIONS}"
        tap.check(status == 0 and wanted in said.decode(),
                  f"pgbench, {CLIENTS} clients: {way.text}", status, said[-500:], said_by(server))
        status, said = lab.run(*way.use(postgres_program("psql"), "-Atc", SUMS, *where))
        tap.check(said.strip() == f"t|{CLIENTS * TRANSACTIONS}".encode(),
                  f"and the books balance: {way.text}", status, said[-500:])
        tap.check(lab.end(server), "and SIGTERM ends the server", said_by(server))
