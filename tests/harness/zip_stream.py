"""Reader of a ZIP file as a stream, as `java.util.zip.ZipInputStream` reads it."""

import struct
import zlib

LOCAL_HEADER = b"PK\x03\x04"
DESCRIPTOR = b"PK\x07\x08"
STORED, DEFLATED = 0, 8
HAS_DESCRIPTOR = 1 << 3


def read_stream(body: bytes) -> dict[str, bytes]:
    """The entries by name. Raises ValueError for what cannot be read without a look ahead."""
    entries, at = dict[str, bytes](), 0
    while body[at : at + 4] == LOCAL_HEADER:
        flags, method, _, _, crc, size, _, name_length, extra_length = struct.unpack(
            "<HHHHIIIHH", body[at + 6 : at + 30]
        )
        name = body[at + 30 : at + 30 + name_length].decode()
        at += 30 + name_length + extra_length
        if method == STORED:
            if flags & HAS_DESCRIPTOR:
                raise ValueError("only DEFLATED entries can have EXT descriptor")
            content = body[at : at + size]
            at += size
        elif method == DEFLATED:
            inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            content = inflater.decompress(body[at:])
            at = len(body) - len(inflater.unused_data)
        else:
            raise ValueError(f"method {method}")
        if flags & HAS_DESCRIPTOR:
            if body[at : at + 4] != DESCRIPTOR:
                raise ValueError("no descriptor")
            (crc,) = struct.unpack("<I", body[at + 4 : at + 8])
            at += 16
        if crc != zlib.crc32(content):
            raise ValueError(f"{name}: CRC")
        entries[name] = content
    return entries
