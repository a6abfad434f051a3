"""Runs a static x86-64 Linux program on the processor of Bochs, which has AVX-512.

    python bochs.py PROGRAM ARGUMENT...

The processor is PyPI's bochscpu-python, without devices or a kernel: memory is where it is named
(virtual addresses are physical ones), and the few system calls that a static program makes are
answered here. SYSCALL goes to STUB, whose WBINVD calls `Machine.call`.
Source: System V ABI, AMD64 supplement, 3.4; Intel SDM volume 3A, 4.5 (paging).
"""

import ctypes
import itertools
import os
import struct
import sys
from pathlib import Path

import bochscpu
import bochscpu.cpu
from bochscpu import memory

STUB, TABLES, STACK, MAPPED = 0x1000, 0x10000, 0x3F000000, 0x40000000
STACK_NBYTES, PAGE = 1 << 23, 4096
GIGABYTES = 2
READ, WRITE, OPEN, CLOSE, MMAP, MPROTECT, MUNMAP, BRK, WRITEV, ARCH_PRCTL, OPENAT = (
    0, 1, 2, 3, 9, 10, 11, 12, 20, 158, 257,
)  # fmt: skip
FUTEX, EXIT, EXIT_GROUP = 202, 60, 231
NO_SUCH_CALL = -38
SET_FS = 0x1002


class Machine:
    """Memory, and what stands for the kernel."""

    def __init__(self, program: Path, arguments: list[str]) -> None:
        self.pages: dict[int, int] = {}
        self.mapped, self.status = MAPPED, 1
        self.session = bochscpu.Session()
        self.session.missing_page_handler = self.insert
        self.write(STUB, bytes.fromhex("0f09480f07"))  # wbinvd; sysretq
        self.write_page_tables()
        entry = self.load(program.read_bytes())
        self.start(entry, self.write_stack([str(program), *arguments]))

    def insert(self, address: int) -> None:
        page = address // PAGE * PAGE
        if page not in self.pages:
            self.pages[page] = memory.allocate_host_page()
            memory.page_insert(page, self.pages[page])

    def host(self, address: int) -> int:
        """Return where on the host a byte is."""
        self.insert(address)
        return self.pages[address // PAGE * PAGE] + address % PAGE

    def write(self, address: int, data: bytes) -> None:
        while data:
            part = data[: PAGE - address % PAGE]
            ctypes.memmove(self.host(address), part, len(part))
            address, data = address + len(part), data[len(part) :]

    def read(self, address: int, nbytes: int) -> bytes:
        parts = []
        while nbytes:
            part = min(nbytes, PAGE - address % PAGE)
            parts.append(
                ctypes.string_at(self.pages[address // PAGE * PAGE] + address % PAGE, part)
            )
            address, nbytes = address + part, nbytes - part
        return b"".join(parts)

    def text(self, address: int) -> str:
        letters = (self.read(address + i, 1) for i in itertools.count())
        return b"".join(itertools.takewhile(lambda letter: letter != b"\0", letters)).decode()

    def write_page_tables(self) -> None:
        """Map every address to itself, in pages of 2 MiB that all may use."""
        flags, large = 0x7, 0x80
        self.write(TABLES, struct.pack("<Q", TABLES + PAGE | flags))
        for gigabyte in range(GIGABYTES):
            table = TABLES + (2 + gigabyte) * PAGE
            self.write(TABLES + PAGE + 8 * gigabyte, struct.pack("<Q", table | flags))
            pages = [(gigabyte * 512 + i) << 21 | flags | large for i in range(512)]
            self.write(table, struct.pack("<512Q", *pages))

    def load(self, elf: bytes) -> int:
        entry, headers = struct.unpack_from("<QQ", elf, 24)
        size, count = struct.unpack_from("<HH", elf, 54)
        self.headers = (headers, size, count)
        for i in range(count):
            kind, _, offset, address, _, nbytes, memory_nbytes = struct.unpack_from(
                "<IIQQQQQ", elf, headers + i * size
            )
            if kind == 1:
                self.write(address, elf[offset : offset + nbytes])
                if offset == 0:
                    self.image = address
                self.end = (address + memory_nbytes + PAGE - 1) // PAGE * PAGE
        return int(entry)

    def write_stack(self, arguments: list[str]) -> int:
        at, pointers = STACK, []
        for argument in arguments:
            data = os.fsencode(argument) + b"\0"
            at -= len(data)
            self.write(at, data)
            pointers.append(at)
        headers, size, count = self.headers
        # the headers, their size and number, the size of a page, 16 random bytes, the end
        auxiliary = [3, self.image + headers, 4, size, 5, count, 6, PAGE, 25, STUB, 0, 0]
        words = [len(pointers), *pointers, 0, 0, *auxiliary]
        stack = (at - 8 * len(words)) // 64 * 64
        self.write(stack, struct.pack(f"<{len(words)}Q", *words))
        return stack

    def start(self, entry: int, stack: int) -> None:
        state = bochscpu.State()
        bochscpu.cpu.set_long_mode(state)
        state.cr0 = 0x80010033
        state.cr4 = 0x40620  # PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
        state.xcr0 = 0xE7  # x87, SSE, AVX, AVX-512
        state.cr3, state.rip, state.rsp, state.rflags = TABLES, entry, stack, 2
        state.efer, state.lstar, state.sfmask = 0xD01, STUB, 0
        state.star = 0x23 << 48 | 0x10 << 32
        state.mxcsr, state.mxcsr_mask, state.fpcw = 0x1F80, 0xFFFF, 0x37F
        for name, selector, attributes in [("cs", 0x33, 0xA0FB), ("ss", 0x2B, 0xC0F3)]:
            setattr(state, name, segment(selector, attributes))
        for name in ("ds", "es", "fs", "gs"):
            setattr(state, name, segment(0x2B, 0xC0F3))
        self.session.cpu.state = state

    def run(self) -> int:
        hook = bochscpu.Hook()
        hook.cache_cntrl = lambda *_: self.call()
        hook.exception = self.fault
        self.session.run([hook])
        return self.status

    def fault(self, session: bochscpu.Session, _: int, vector: int, code: int) -> None:
        sys.stderr.write(f"exception {vector} ({code:#x}) at {session.cpu.rip:#x}\n")
        session.stop()

    def call(self) -> None:
        cpu = self.session.cpu
        number, first, second, third = cpu.rax, cpu.rdi, cpu.rsi, cpu.rdx
        if number in (EXIT, EXIT_GROUP):
            self.status = first
            self.session.stop()
            return
        cpu.rax = self.answer(number, first, second, third) & (1 << 64) - 1

    def answer(self, number: int, first: int, second: int, third: int) -> int:
        if number == READ:
            data = os.read(first, third)
            self.write(second, data)
            return len(data)
        if number == WRITE:
            return os.write(first, self.read(second, third))
        if number == WRITEV:
            parts = struct.iter_unpack("<QQ", self.read(second, 16 * third))
            return sum(os.write(first, self.read(*part)) for part in parts)
        if number in (OPEN, OPENAT):
            path, flags = (first, second) if number == OPEN else (second, third)
            return os.open(self.text(path), flags, 0o644)
        if number == CLOSE:
            os.close(first)
            return 0
        if number == MMAP:
            self.mapped += (second + PAGE - 1) // PAGE * PAGE
            return self.mapped - (second + PAGE - 1) // PAGE * PAGE
        if number == BRK:
            self.end = max(self.end, first)
            return int(self.end)
        if number == ARCH_PRCTL and first == SET_FS:
            self.session.cpu.fs = segment(0x2B, 0xC0F3, second)
            return 0
        return 0 if number in (MPROTECT, MUNMAP, FUTEX) else NO_SUCH_CALL


def segment(selector: int, attributes: int, base: int = 0) -> bochscpu.Segment:
    made = bochscpu.Segment()
    made.present, made.selector, made.attr = True, selector, attributes
    made.base, made.limit = base, 0xFFFFFFFF
    return made


if __name__ == "__main__":
    sys.exit(Machine(Path(sys.argv[1]), sys.argv[2:]).run())
