// One block of a packed JPEG, field by field. All of its coefficients are in the zigzag order, in
// eight groups of eight:
//   a byte, one bit for each group: whether it has a coefficient that is not 0
//   the difference of the DC value to the one before, in the same component and interval: a byte,
//     or 0x80 and two bytes
//   for each such group a byte, one bit for each of its coefficients; that of the DC value, which
//     is not in a group, says whether wide values follow
//   bits, the lowest of each number first, padded to a byte with zeros: for each such group three,
//     how many bits each of its values has, less one; then the values, 2 * (|v| - 1) + (v < 0). The
//     bit for wide values has a value, too, which is 0; a wide one counts as 1 or -1
//   if there are wide values, beyond +-127: a byte with their number, and for each its position and
//     two bytes
#pragma once

#include <cstdint>

#include "cpu/little_endian.hpp"

namespace imnet {

constexpr int kWideDifference = -128;
constexpr int kNarrowLimit = 127;
constexpr int kMostWide = 63;
constexpr uint64_t kEachByte = 0x0101010101010101;

// The fields of a block before its values.
struct PackedBlock {
  int difference = 0;
  uint64_t masks = 0;   // a byte for each group, 0 where it is empty
  uint64_t widths = 0;  // the same, less one
  unsigned bit = 0;     // where the values begin

  bool wide() const { return masks & 1; }
};

// Reads them; returns where the bits begin. kPackedPadding bytes must be readable.
inline const uint8_t* read_packed_block(const uint8_t* next, PackedBlock& block) {
  block = PackedBlock();
  const unsigned groups = *next++;
  block.difference = int8_t(*next++);
  if (block.difference == kWideDifference) {
    block.difference = int16_t(load_little_endian16(next));
    next += 2;
  }
  for (int g = 0; g < 8; ++g)
    if (groups >> g & 1) block.masks |= uint64_t(*next++) << 8 * g;
  const uint32_t widths = load_little_endian32(next);
  for (int g = 0; g < 8; ++g)
    if (groups >> g & 1) {
      block.widths |= uint64_t(widths >> block.bit & 7) << 8 * g;
      block.bit += 3;
    }
  return next;
}

}  // namespace imnet
