# SPDX-License-Identifier: MIT
"""Web servers and their clients under `weir run`: nginx, curl, Python's, Node.js."""

import hashlib
import http.client
import os
import signal
import sys
import threading
import time

from programs_lab import missing, program, said_by, sha256_of

BIG = 16 << 20
SMALL_FILES = 40
RELOADS = 5
LOADERS = 4
SUBJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs_subject.py")

NGINX = """daemon off; worker_processes 3; pid {folder}/nginx-{port}.pid; error_log stderr warn;
user {user};
events {{ worker_connections 256; }}
http {{
    access_log off; sendfile {sendfile}; tcp_nopush on; keepalive_timeout 5;
    client_body_temp_path {folder}/n1; proxy_temp_path {folder}/n2; fastcgi_temp_path {folder}/n3;
    uwsgi_temp_path {folder}/n4; scgi_temp_path {folder}/n5;
    server {{ listen {host}:{port}; root {folder}/www;
        location /proxied/ {{ proxy_pass http://{host}:{port}/; }} }}
}}
"""


def nginx(lab, way, port, sendfile="on"):
    os.makedirs(lab.path("www"), exist_ok=True)
    big, digest = lab.random_file("www/big", BIG)
    for i in range(SMALL_FILES):
        lab.random_file(f"www/small{i}", 1000 + i * 997)
    config = lab.write(f"nginx-{port}.conf", NGINX.format(
        folder=lab.folder, port=port, host=way.host, sendfile=sendfile, user="nobody nogroup"))
    server = lab.server(way, port, program("nginx"), "-e", "stderr", "-c", config)
    return server, big, digest


def fetch_big(lab, way, url, tap, text, digest, server):
    out = lab.path("got")
    status, said = lab.run(*way.use("curl", "-sS", "--max-time", "100", "-o", out, url))
    tap.check(status == 0 and sha256_of(out) == digest, f"{text}, every octet", status, said,
              said_by(server))
    if os.path.exists(out):
        os.unlink(out)


def test_nginx(lab, tap):
    if missing(tap, "nginx", "curl"):
        return
    for way in lab.ways:
        for sendfile in ("on", "off") if not way.client_on_weir else ("on",):
            port = lab.port()
            server, _, digest = nginx(lab, way, port, sendfile)
            url = f"http://{way.host}:{port}"
            name = f"nginx with three workers, sendfile {sendfile}, and curl: {way.text}"
            fetch_big(lab, way, f"{url}/big", tap, f"{name}, 16 MiB", digest, server)
            fetch_big(lab, way, f"{url}/proxied/big", tap, f"{name}, through its proxy", digest,
                      server)
            os.makedirs(lab.path("many"), exist_ok=True)
            status, said = lab.run(*way.use(
                "curl", "-sS", "--max-time", "100", "-Z", "--parallel-max", "10",
                "-o", lab.path("many", "#1"), f"{url}/small[0-{SMALL_FILES - 1}]"))
            same = all(sha256_of(lab.path("many", str(i))) == sha256_of(lab.path("www", f"small{i}"))
                       for i in range(SMALL_FILES))
            tap.check(status == 0 and same, f"{name}, {SMALL_FILES} files ten at a time", status,
                      said, said_by(server))
            tap.check(lab.end(server), f"{name}: SIGTERM ends it", said_by(server))


class Load(threading.Thread):
    """Fetches a file again and again, each time over a new connection."""

    def __init__(self, host, port, digest):
        super().__init__(daemon=True)
        self.where, self.digest = (host, port), digest
        self.stop = False
        self.served = 0
        self.lost = []

    def run(self):
        while not self.stop:
            try:
                conn = http.client.HTTPConnection(*self.where, timeout=60)
                conn.request("GET", "/small7", headers={"Connection": "close"})
                answer = conn.getresponse()
                data = answer.read()
                conn.close()
                if answer.status == 200 and hashlib.sha256(data).hexdigest() == self.digest:
                    self.served += 1
                else:
                    self.lost.append(f"status {answer.status}, {len(data)} octets")
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))


def test_reload(lab, tap):
    if missing(tap, "nginx"):
        return
    way, port = lab.ways[0], lab.port()
    server, _, _ = nginx(lab, way, port)
    loads = [Load(way.host, port, sha256_of(lab.path("www", "small7"))) for _ in range(LOADERS)]
    for load in loads:
        load.start()
    with open(lab.path(f"nginx-{port}.pid"), encoding="ascii") as file:
        master = int(file.read())
    for _ in range(RELOADS):
        served = sum(load.served for load in loads)
        os.kill(master, signal.SIGHUP)
        end = time.monotonic() + 20
        while time.monotonic() < end and sum(load.served for load in loads) < served + 100:
            time.sleep(0.02)
    for load in loads:
        load.stop = True
    for load in loads:
        load.join(15)
    lost = [text for load in loads for text in load.lost]
    served = sum(load.served for load in loads)
    tap.check(not lost and served >= RELOADS * 100,
              f"nginx reloads {RELOADS} times under load and loses no request", f"served {served}",
              f"lost {len(lost)}", *lost[:5], said_by(server))
    os.kill(master, signal.SIGQUIT)
    ended = True
    try:
        server.wait(10)
    except Exception:  # subprocess.TimeoutExpired
        ended = lab.end(server) and False
    tap.check(ended, "and SIGQUIT ends it when its work is done", said_by(server))


def test_python(lab, tap):
    for kind in ("asyncio", "forking", "threading"):
        for way in lab.ways:
            port = lab.port()
            server = lab.server(way, port, sys.executable, SUBJECT, "serve", kind, way.host,
                                str(port))
            status, said = lab.run(*way.use(sys.executable, SUBJECT, "talk", way.host, str(port)))
            tap.check(status == 0 and said == b"all equal\n",
                      f"python3, 100 asyncio clients and a server by {kind}: {way.text}", status,
                      said[-500:], said_by(server))
            tap.check(lab.end(server), "and SIGTERM ends the server")


NODE_SERVER = """
const http = require('http'), crypto = require('crypto');
http.createServer((request, response) => {
    const hash = crypto.createHash('sha256');
    request.on('data', data => hash.update(data));
    request.on('end', () => response.end(hash.digest('hex')));
}).listen(+process.argv[2], process.argv[1]);
"""

NODE_CLIENT = """
const http = require('http'), crypto = require('crypto');
const agent = new http.Agent({ keepAlive: true, maxSockets: 5 });
let left = 30;
for (let i = 0; i < 30; i++) {
    const body = crypto.randomBytes(1000 * i * i);
    const want = crypto.createHash('sha256').update(body).digest('hex');
    const request = http.request(
        { host: process.argv[1], port: +process.argv[2], method: 'POST', agent }, response => {
            let have = '';
            response.on('data', data => have += data);
            response.on('end', () => {
                if (have !== want) { console.log('differs', i); process.exit(1); }
                if (--left === 0) { console.log('all equal'); agent.destroy(); }
            });
        });
    request.on('error', error => { console.log(error.code); process.exit(1); });
    request.end(body);
}
"""


def test_node(lab, tap):
    if missing(tap, "node"):
        return
    for way in lab.ways:
        port = lab.port()
        server = lab.server(way, port, program("node"), "-e", NODE_SERVER, way.host, str(port))
        status, said = lab.run(*way.use(program("node"), "-e", NODE_CLIENT, way.host, str(port)))
        tap.check(status == 0 and said == b"all equal\n",
                  f"Node.js, 30 posts over five kept connections: {way.text}", status, said[-500:],
                  said_by(server))
        tap.check(lab.end(server), "and SIGTERM ends the server")
