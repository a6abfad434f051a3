// Blocks without vectors: for the variants that have no better way, and to read one for itself.
#pragma once

#include "jpeg/idct.hpp"
#include "packed/block.hpp"

namespace imnet {

// Calls take(position, coded value) for each bit of the masks; returns where wide values begin, or
// the next block.
template <typename Take>
inline const uint8_t* take_values(const uint8_t* next, const PackedBlock& block, Take take) {
  unsigned bit = block.bit;
  for (uint64_t left = block.masks; left != 0; left &= left - 1) {
    const int position = __builtin_ctzll(left);
    const unsigned width = (block.widths >> (position & ~7) & 7) + 1;
    take(position,
         (load_little_endian16(next + (bit >> 3)) >> (bit & 7)) & ((1u << width) - 1));
    bit += width;
  }
  return next + ((bit + 7) >> 3);
}

// What no encoder writes, 128, comes out as -128, as in a vector of bytes.
constexpr int decoded_value(unsigned coded) {
  const int magnitude = int(coded >> 1) + 1;
  return int8_t(coded & 1 ? -magnitude : magnitude);
}

// Calls take(position, value) for each wide value; nullptr where there are too many.
template <typename Take>
inline const uint8_t* take_wide(const uint8_t* next, Take take) {
  const int count = *next++;
  if (count > kMostWide) return nullptr;
  for (int i = 0; i < count; ++i, next += 3)
    take(next[0] & 63, int(int16_t(load_little_endian16(next + 1))));
  return next;
}

// Reads a block into `coefficients`, which were zero, in the order of jpeg/idct.hpp; nullptr where
// it is damaged.
inline const uint8_t* unpack_block_scalar(const uint8_t* next, int& prediction,
                                          int16_t* coefficients) {
  PackedBlock block;
  next = read_packed_block(next, block);
  prediction = int(unsigned(prediction) + unsigned(block.difference));
  next = take_values(next, block, [&](int position, unsigned coded) {
    coefficients[kZigzagPlaces[position]] = int16_t(decoded_value(coded));
  });
  if (block.wide())
    next = take_wide(next, [&](int position, int value) {
      coefficients[kZigzagPlaces[position]] = int16_t(value);
    });
  coefficients[0] = int16_t(prediction);
  return next;
}

// Steps over a block; nullptr where it is damaged.
inline const uint8_t* skip_block_scalar(const uint8_t* next, int& prediction) {
  PackedBlock block;
  next = read_packed_block(next, block);
  prediction = int(unsigned(prediction) + unsigned(block.difference));
  unsigned bits = block.bit;
  for (int g = 0; g < 8; ++g)
    bits += unsigned(__builtin_popcount(block.masks >> 8 * g & 255)) *
            unsigned((block.widths >> 8 * g & 7) + 1);
  next += (bits + 7) >> 3;
  return block.wide() ? take_wide(next, [](int, int) {}) : next;
}

}  // namespace imnet
