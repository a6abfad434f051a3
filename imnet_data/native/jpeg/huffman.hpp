// Huffman tables made for speed: one lookup finds up to two coefficients and the end of block.
//
// An entry of AcTable covers the next kLookupBits bits. Its symbols are decoded when the table is
// built, as far as they lie in these bits; of the last one, only the sign bit has to lie in them,
// the other bits of its value are taken from the data. All fields are bytes or 16-bit numbers:
//   0..7    bits used, value bits of the last symbol included
//   8..15   value bits of the last symbol that are taken from the data
//   16..23  how far the position in the block moves; + kEndOfBlock where the block ends
//   24..31  how far to the first of two values
//   32..47  the first value, 48..63 the second one or what is added to its bits
// The second value is stored first: where there is one value, either both go to the same place, and
// the first one is right, or the first one goes beyond the block. So an entry for two symbols is the
// sum of one for each.
// kUnknownSymbol sends the symbol to HuffmanCodes::find: it uses no bits, and moves far beyond.
//
// Source: ITU-T T.81, annexes C, F.2.2, K.3.
#pragma once

#include <array>
#include <cstdint>

#include "jpeg/header.hpp"

namespace imnet {

// Measured on 250 ImageNet files, nearly all with tables of their own: the loader's boxes, tables
// included, take 1 to 2 % longer with 10 bits, and 4 % longer where two intervals are decoded at a
// time.
constexpr int kLookupBits = 11;
constexpr int kLookupSize = 1 << kLookupBits;
constexpr int kEndOfBlock = 128;
constexpr int kBeyond = 64;
constexpr uint64_t kUnknownSymbol = 192 << 16 | 1 << 24;
// A refill leaves 56 bits, enough for three lookups.
constexpr int kMaxEntryBits = 18;

struct HuffmanCodes {
  struct Symbol {
    int bits;  // 17: no such code
    uint8_t value;
  };

  // False where there are more codes than a prefix code can have.
  bool build(const HuffmanSpec& spec);
  // The symbol at the front of 16 bits.
  Symbol find(uint32_t window) const;

  // The symbol at the front of 16 bits, whose code has this many bits.
  uint8_t symbol(uint32_t window, int bits) const {
    return symbols[((window >> (16 - bits)) + offsets[bits]) & 255];
  }

  // the first 16-bit window above all codes of 1, 2, ... bits
  alignas(32) std::array<uint16_t, 16> limits;
  std::array<int32_t, 17> offsets;
  std::array<uint8_t, 256> symbols;
};

struct AcTable {
  bool build(const HuffmanSpec& spec);
  std::array<uint64_t, kLookupSize> entries;
  HuffmanCodes codes;
};

struct DcTable {
  bool build(const HuffmanSpec& spec);
  // bits used, value bits to take, 16 bits for the value or what is added; 0: unknown
  std::array<uint32_t, kLookupSize> entries;
  HuffmanCodes codes;
};

// The tables of T.81 K.3, for luminance (0) and chrominance (1).
const HuffmanSpec& default_dc_table(int id);
const HuffmanSpec& default_ac_table(int id);

// What is added to the value bits of a negative number of `size` bits: T.81, F.2.2.1, EXTEND.
constexpr int negative_base(int size) { return size == 0 ? 0 : 1 - (1 << size); }

constexpr int extend(int bits, int size) {
  return size != 0 && bits >> (size - 1) == 0 ? bits + negative_base(size) : bits;
}

}  // namespace imnet
