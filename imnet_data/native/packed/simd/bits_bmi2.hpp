// The fields of a block with BMI2; included with IMNET_UNPACK_INLINE defined.

#include <immintrin.h>

#include "packed/block.hpp"

namespace imnet {
namespace {

// As read_packed_block.
IMNET_UNPACK_INLINE const uint8_t* read_fields(const uint8_t* next, PackedBlock& block,
                                               unsigned& groups) {
  groups = next[0];
  int difference = int8_t(next[1]);
  next += 2;
  if (__builtin_expect(difference == kWideDifference, 0)) {
    difference = int16_t(load_little_endian16(next));
    next += 2;
  }
  block.difference = difference;
  const unsigned count = unsigned(__builtin_popcount(groups));
  const uint64_t there = _pdep_u64(groups, kEachByte) * 255;
  block.masks = _pdep_u64(load_little_endian64(next), there);
  next += count;
  block.widths = _pdep_u64(load_little_endian32(next), there & 7 * kEachByte);
  block.bit = 3 * count;
  return next;
}

// The values of group `g`, each in its byte; `bit` goes on.
IMNET_UNPACK_INLINE uint64_t read_group(const uint8_t* values, const PackedBlock& block, int g,
                                        unsigned& bit) {
  const auto mask = unsigned(uint8_t(block.masks >> 8 * g));
  const unsigned width = uint8_t(block.widths >> 8 * g) + 1u;
  const uint64_t lowest = _pdep_u64(mask, kEachByte);
  const uint8_t* const at = values + (bit >> 3);
  const unsigned shift = bit & 7;
  // up to 64 bits after the first 7: the rest is in the byte behind
  const uint64_t word = load_little_endian64(at) >> shift | uint64_t(at[8]) << 1 << (63 - shift);
  bit += unsigned(__builtin_popcount(mask)) * width;
  return _pdep_u64(word, (lowest << width) - lowest);
}

IMNET_UNPACK_INLINE const uint8_t* skip_wide(const uint8_t* next) {
  return *next > kMostWide ? nullptr : next + 1 + 3 * *next;
}

// Steps over a block; nullptr where it is damaged.
IMNET_UNPACK_INLINE const uint8_t* skip_block(const uint8_t* next, int& prediction) {
  unsigned groups;
  PackedBlock block;
  next = read_fields(next, block, groups);
  prediction = int(unsigned(prediction) + unsigned(block.difference));
  unsigned bits = block.bit;
  for (int g = 0; g < 8; ++g)
    bits += unsigned(__builtin_popcount(uint8_t(block.masks >> 8 * g))) *
            (uint8_t(block.widths >> 8 * g) + 1u);
  next += (bits + 7) >> 3;
  return __builtin_expect(block.wide(), 0) ? skip_wide(next) : next;
}

// The coded values of a block, each at its position; returns where wide ones begin, or the next
// block.
IMNET_UNPACK_INLINE const uint8_t* read_values(const uint8_t* next, const PackedBlock& block,
                                               unsigned groups, uint64_t* coded) {
  unsigned bit = block.bit;
  for (int g = 0; g < 4; ++g) coded[g] = read_group(next, block, g, bit);
  if (groups >> 4 != 0)
    for (int g = 4; g < 8; ++g) coded[g] = read_group(next, block, g, bit);
  return next + ((bit + 7) >> 3);
}

constexpr std::array<uint8_t, 64> positions_of_places() {
  std::array<uint8_t, 64> positions{};
  for (int i = 0; i < 64; ++i) positions[kZigzagPlaces[i]] = uint8_t(i);
  return positions;
}

}  // namespace
}  // namespace imnet
