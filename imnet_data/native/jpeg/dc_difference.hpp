// The DC difference at the front of a block, where it is known where the block begins.
#pragma once

#include <cstdint>

#include "cpu/big_endian.hpp"
#include "jpeg/huffman.hpp"

namespace imnet {

struct DcDifference {
  int value, bits;
};

// `bit` is that of a block in sound, unstuffed data.
inline DcDifference read_difference(const DcTable& table, const uint8_t* data, uint64_t bit) {
  const uint64_t word = load_big_endian(data + (bit >> 3)) << (bit & 7);
  const uint32_t entry = table.entries[word >> (64 - kLookupBits)];
  int bits = entry & 63, size = entry >> 8 & 255;
  if (entry == 0) {
    const HuffmanCodes::Symbol found = table.codes.find(uint32_t(word >> 48));
    size = found.value;
    bits = found.bits + size;
  }
  const int value = int(word >> (64 - bits) & ((1u << size) - 1));
  return {entry == 0 ? extend(value, size) : value + (int32_t(entry) >> 16), bits};
}

}  // namespace imnet
