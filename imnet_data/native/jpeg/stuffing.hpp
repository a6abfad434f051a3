// The zero after each FF of entropy-coded data, which distinguishes it from a marker: inserted and
// removed.
//
// Source: ITU-T T.81, B.1.1.5.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/big_endian.hpp"

namespace imnet {

// Copies entropy-coded data without its stuffing up to the next marker or `end`, where `stop` then
// points; returns the number of bytes. `out` must have room for `end - data` bytes.
using UnstuffFunction = size_t (*)(const uint8_t* data, const uint8_t* end, uint8_t* out,
                                   const uint8_t** stop);
size_t unstuff_scalar(const uint8_t* data, const uint8_t* end, uint8_t* out, const uint8_t** stop);
size_t unstuff_avx2(const uint8_t* data, const uint8_t* end, uint8_t* out, const uint8_t** stop);

// Returns the first marker at or after `data` (its FF), or `end`.
using MarkerFunction = const uint8_t* (*)(const uint8_t* data, const uint8_t* end);
const uint8_t* next_marker_scalar(const uint8_t* data, const uint8_t* end);
const uint8_t* next_marker_avx2(const uint8_t* data, const uint8_t* end);

// Copies `nbytes` bytes from bit `first` (0 to 7) of `data` on and stuffs them; returns the end of
// what it wrote. kStuffingSlack bytes after the last one must be readable, and writable.
constexpr size_t kStuffingSlack = 40;
using StuffFunction = uint8_t* (*)(const uint8_t* data, int first, size_t nbytes, uint8_t* out);
uint8_t* stuff_scalar(const uint8_t* data, int first, size_t nbytes, uint8_t* out);
uint8_t* stuff_avx2(const uint8_t* data, int first, size_t nbytes, uint8_t* out);

// Stores the first bytes of `word`, at most eight, stuffed; eight must be writable, and one per FF.
inline uint8_t* store_stuffed(uint64_t word, int nbytes, uint8_t* out) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  // FF is the byte whose complement is zero; a borrow may also mark a byte beside one: no harm
  if (__builtin_expect(((~word - kOnes) & word & (kOnes << 7)) == 0, 1)) {
    store_big_endian(out, word);
    return out + nbytes;
  }
  for (int i = 0; i < nbytes; ++i) {
    const uint8_t byte = uint8_t(word >> (56 - 8 * i));
    *out++ = byte;
    *out = 0;
    out += byte == 0xFF;
  }
  return out;
}

}  // namespace imnet
