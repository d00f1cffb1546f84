"""Relay of connections through a Unix socket, which every network namespace can reach.

A container's loopback is its own. `python -m tests.image.relay tcp 9100 SOCKET` in its network
namespace, and `… unix SOCKET 9100` where the sandbox listens, bring the sandbox there.
"""

import asyncio
import contextlib
import sys
from asyncio import StreamReader, StreamWriter

LOOPBACK = "127.0.0.1"
CHUNK_BYTES = 65536


async def copy(reader: StreamReader, writer: StreamWriter) -> None:
    """Pass on what one side sends, until it ends."""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def serve_tcp(port: int, socket: str) -> None:
    """Listen on the loopback and pass connections on to the socket."""

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        peer_reader, peer_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(copy(reader, peer_writer), copy(peer_reader, writer))
        peer_writer.close()
        writer.close()

    server = await asyncio.start_server(connected, LOOPBACK, port)
    await server.serve_forever()


async def serve_unix(socket: str, port: int) -> None:
    """Listen on the socket and pass connections on to a port of the loopback."""

    async def connected(reader: StreamReader, writer: StreamWriter) -> None:
        peer_reader, peer_writer = await asyncio.open_connection(LOOPBACK, port)
        await asyncio.gather(copy(reader, peer_writer), copy(peer_reader, writer))
        peer_writer.close()
        writer.close()

    server = await asyncio.start_unix_server(connected, socket)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "tcp":
        asyncio.run(serve_tcp(int(sys.argv[2]), sys.argv[3]))
    else:
        asyncio.run(serve_unix(sys.argv[2], int(sys.argv[3])))
