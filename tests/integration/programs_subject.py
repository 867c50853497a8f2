# SPDX-License-Identifier: MIT
"""What run_programs.py runs as a server and a client written with Python's own libraries.

    programs_subject.py serve asyncio|forking|threading HOST PORT
    programs_subject.py talk HOST PORT

A client sends octets and the end of them, the server answers with their SHA-256.
"""

import asyncio
import hashlib
import os
import socketserver
import sys

CLIENTS = 100
OCTETS = 40000


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(hashlib.sha256(self.rfile.read()).hexdigest().encode())


class Forking(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = CLIENTS
    max_children = CLIENTS


class Threading(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = CLIENTS
    daemon_threads = True


async def answer(reader, writer):
    writer.write(hashlib.sha256(await reader.read()).hexdigest().encode())
    await writer.drain()
    writer.close()


async def serve_asyncio(host, port):
    server = await asyncio.start_server(answer, host, port, backlog=CLIENTS)
    await server.serve_forever()


async def talk_once(host, port, number):
    data = os.urandom(number * OCTETS // CLIENTS * 2)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(data)
    writer.write_eof()
    have = await reader.read()
    writer.close()
    await writer.wait_closed()
    return have == hashlib.sha256(data).hexdigest().encode()


async def talk(host, port):
    equal = await asyncio.gather(*(talk_once(host, port, n) for n in range(CLIENTS)))
    print("all equal" if all(equal) else f"{equal.count(False)} differ")


def main():
    if sys.argv[1] == "talk":
        asyncio.run(talk(sys.argv[2], int(sys.argv[3])))
        return
    kind, host, port = sys.argv[2], sys.argv[3], int(sys.argv[4])
    if kind == "asyncio":
        asyncio.run(serve_asyncio(host, port))
        return
    with (Forking if kind == "forking" else Threading)((host, port), Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
