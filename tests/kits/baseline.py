"""Writes JPEGs that no encoder at hand writes: any sampling, tables, scans and coefficients.

Coefficients are random, so the images look like nothing; decoders have to agree on them anyway.
"""

import heapq
import itertools
import math
import random
from dataclasses import dataclass, field

END_OF_BLOCK, ZERO_RUN = 0x00, 0xF0


@dataclass(kw_only=True)
class Kind:
    width: int
    height: int
    sampling: list[tuple[int, int]]
    restart: int = 0
    interleaved: bool = True
    ids: tuple[int, ...] = (1, 2, 3)
    adobe: int | None = None
    jfif: bool = True
    quant: int = 16  # largest quantiser
    density: float = 0.15  # of coefficients that are not 0
    amplitude: int = 60
    fill_bytes: bool = False  # before restart markers
    frame: int = 0xC0
    tables: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0), (1, 1), (1, 1)])


def huffman_lengths(symbols: list[int], rng: random.Random) -> dict[int, int]:
    """Lengths of a random prefix code of at most 16 bits that leaves out the code of all ones."""
    while True:
        heap = [(rng.random() ** 3 + 1e-3, i, [s]) for i, s in enumerate([*symbols, None])]
        heapq.heapify(heap)
        depth = dict.fromkeys([*symbols, None], 0)
        for i in itertools.count(len(heap)):
            if len(heap) == 1:
                break
            a, b = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in a[2] + b[2]:
                depth[symbol] += 1
            heapq.heappush(heap, (a[0] + b[0], i, a[2] + b[2]))
        longest = max(depth.values())
        if longest <= 16:
            # the code of all ones is the last one of the longest
            swap = next(s for s, d in depth.items() if d == longest)
            depth[swap], depth[None] = depth[None], longest
            return {s: d for s, d in depth.items() if s is not None}


class Table:
    def __init__(self, symbols: list[int], rng: random.Random) -> None:
        lengths = huffman_lengths(symbols, rng)
        self.ordered = sorted(symbols, key=lambda s: lengths[s])
        self.counts = [sum(d == n for d in lengths.values()) for n in range(1, 17)]
        self.codes: dict[int, str] = {}
        code, previous = 0, 0
        for symbol in self.ordered:
            code <<= lengths[symbol] - previous
            previous = lengths[symbol]
            self.codes[symbol] = f"{code:0{previous}b}"
            code += 1

    def segment(self, kind: int) -> bytes:
        return bytes([kind, *self.counts, *self.ordered])


def value_bits(value: int) -> tuple[int, str]:
    size = abs(value).bit_length()
    if size == 0:
        return 0, ""
    return size, f"{value if value > 0 else value + (1 << size) - 1:0{size}b}"


def block_bits(values: list[int], previous: int, dc: Table, ac: Table) -> str:
    size, bits = value_bits(values[0] - previous)
    out = [dc.codes[size], bits]
    run = 0
    for value in values[1:]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            out.append(ac.codes[ZERO_RUN])
            run -= 16
        size, bits = value_bits(value)
        out += [ac.codes[run << 4 | size], bits]
        run = 0
    if run:
        out.append(ac.codes[END_OF_BLOCK])
    return "".join(out)


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload


def entropy_coded(bits: str) -> bytes:
    bits += "1" * (-len(bits) % 8)
    return int("1" + bits, 2).to_bytes(len(bits) // 8 + 1)[1:].replace(b"\xff", b"\xff\x00")


def random_block(kind: Kind, rng: random.Random) -> list[int]:
    density = kind.density * rng.choice([0, 0.2, 1, 1, 3])
    values = [rng.randint(-kind.amplitude, kind.amplitude)]
    for position in range(1, 64):
        limit = max(1, kind.amplitude // (1 + position // 4))
        values.append(rng.randint(-limit, limit) if rng.random() < density else 0)
    if rng.random() < 0.05:
        values[63] = rng.choice([-1, 1])
    return values


def scan(kind: Kind, members: list[int], dc: list[Table], ac: list[Table], rng) -> bytes:
    horizontal = max(h for h, _ in kind.sampling)
    vertical = max(v for _, v in kind.sampling)
    if len(members) == 1:
        h, v = kind.sampling[members[0]]
        columns = math.ceil(math.ceil(kind.width * h / horizontal) / 8)
        rows = math.ceil(math.ceil(kind.height * v / vertical) / 8)
        blocks = members
    else:
        columns = -(-kind.width // (8 * horizontal))
        rows = -(-kind.height // (8 * vertical))
        blocks = [m for m in members for _ in range(kind.sampling[m][0] * kind.sampling[m][1])]
    head = bytes([len(members)])
    for m in members:
        head += bytes([kind.ids[m], kind.tables[m][0] << 4 | kind.tables[m][1]])
    out = segment(0xDA, head + bytes([0, 63, 0]))
    bits: list[str] = []
    predictions = [0, 0, 0]
    for mcu in range(columns * rows):
        if kind.restart and mcu and mcu % kind.restart == 0:
            out += entropy_coded("".join(bits)) + b"\xff" * (2 if kind.fill_bytes else 0)
            out += bytes([0xFF, 0xD0 + (mcu // kind.restart - 1) % 8])
            bits, predictions = [], [0, 0, 0]
        for m in blocks:
            values = random_block(kind, rng)
            table = kind.tables[m]
            bits.append(block_bits(values, predictions[m], dc[table[0]], ac[table[1]]))
            predictions[m] = values[0]
    return out + entropy_coded("".join(bits))


def random_jpeg(kind: Kind, rng: random.Random) -> bytes:
    count = len(kind.sampling)
    dc = [Table(list(range(12)), rng) for _ in range(2)]
    symbols = [r << 4 | s for r in range(16) for s in range(1, 11)] + [END_OF_BLOCK, ZERO_RUN]
    ac = [Table(symbols, rng) for _ in range(2)]
    out = b"\xff\xd8"
    if kind.jfif:
        out += segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    if kind.adobe is not None:
        out += segment(0xEE, b"Adobe\0d\0\0\0\0" + bytes([kind.adobe]))
    for i in range(2):
        out += segment(0xDB, bytes([i, *(rng.randint(1, kind.quant) for _ in range(64))]))
    frame = bytes([8, *kind.height.to_bytes(2), *kind.width.to_bytes(2), count])
    for i, (h, v) in enumerate(kind.sampling):
        frame += bytes([kind.ids[i], h << 4 | v, min(i, 1)])
    out += segment(kind.frame, frame)
    out += segment(0xC4, b"".join(dc[i].segment(i) + ac[i].segment(16 + i) for i in range(2)))
    if kind.restart:
        out += segment(0xDD, kind.restart.to_bytes(2))
    if kind.interleaved:
        out += scan(kind, list(range(count)), dc, ac, rng)
    else:
        for m in range(count):
            out += scan(kind, [m], dc, ac, rng)
    return out + b"\xff\xd9"


SAMPLINGS = [
    [(1, 1)],
    [(2, 2)],
    [(1, 1), (1, 1), (1, 1)],
    [(2, 1), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(2, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(1, 4), (1, 1), (1, 1)],
    [(2, 2), (2, 1), (2, 1)],
    [(2, 2), (1, 2), (1, 2)],
    [(2, 2), (2, 1), (1, 2)],
    [(1, 1), (2, 2), (1, 1)],
    [(3, 1), (1, 1), (1, 1)],
    [(4, 2), (1, 1), (1, 1)],
    [(2, 1), (2, 1), (2, 1)],
    [(3, 2), (1, 1), (3, 1)],
    [(4, 1), (2, 1), (2, 1)],
    [(1, 4), (1, 2), (1, 2)],
]
SIDES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 40]


def random_kind(rng: random.Random) -> Kind:
    amplitude = rng.choice([3, 20, 60, 200, 500])
    return Kind(
        width=rng.choice([*SIDES, rng.randint(1, 90)]),
        height=rng.choice([*SIDES, rng.randint(1, 70)]),
        sampling=rng.choice(SAMPLINGS),
        restart=rng.choice([0, 0, 0, 1, 2, 3, 5, 7, 13]),
        interleaved=rng.random() < 0.7,
        ids=rng.choice([(1, 2, 3), (0, 1, 2), (82, 71, 66), (9, 3, 1)]),
        adobe=rng.choice([None, None, 0, 1, 2]),
        jfif=rng.random() < 0.5,
        quant=min(rng.choice([1, 8, 40, 255]), 8000 // amplitude),
        density=rng.choice([0.02, 0.15, 0.5, 1]),
        amplitude=amplitude,
        fill_bytes=rng.random() < 0.2,
        frame=rng.choice([0xC0, 0xC1]),
    )
