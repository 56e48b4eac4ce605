"""Counts the samples of offcpu-time in a capture and prints the collector's own counters
beside them (docs/formats/offcpu.md). The layout is written down here once more, so that it
is not the recorder that checks itself."""
import mmap
import struct
import sys

with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
word = lambda at: struct.unpack_from("<Q", data, at)[0]
attr_size, attrs, start, size = word(16), word(24), word(40), word(48)
ids = [word(word(attrs + attr_size * event + attr_size - 16)) for event in range(2)]
records, counters, at, end = 0, None, start, start + size
header, quad = struct.Struct("<IHH"), struct.Struct("<Q")
while at < end:
    kind, _, length = header.unpack_from(data, at)
    if kind == 9:
        event = quad.unpack_from(data, at + 8)[0]
        if event == ids[0]:
            records += 1
        elif event == ids[1] and struct.unpack_from("<HH", data, at + 52) == (1, 2):
            counters = struct.unpack_from("<20Q", data, at + 60)
    at += length
intervals, short, ring_full, opened = (counters[n] for n in (0, 1, 4, 10))
uncounted = intervals + opened - short - ring_full - records
print(f"intervals={intervals} recorded={records} short={short} ring_full={ring_full} uncounted={uncounted}")
