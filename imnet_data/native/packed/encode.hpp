// From the blocks of a packed JPEG to entropy-coded data.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "cpu/big_endian.hpp"
#include "jpeg/header.hpp"
#include "packed/block.hpp"

namespace imnet {

class SymbolEncoder {
 public:
  // Of a symbol that the table does not have; all others have 0 there.
  static constexpr uint64_t kMissing = uint64_t(1) << 63;

  void build(const HuffmanSpec& spec);
  // In the low byte the length of the code and of the value after it, above it the code, with room
  // for the value.
  uint64_t operator[](unsigned symbol) const { return entries_[symbol]; }

 private:
  std::array<uint64_t, 256> entries_{};
};

// Bits on their way into bytes, without stuffing.
struct BitSink {
  uint8_t* next = nullptr;
  uint64_t bits = 0;   // first one on top
  unsigned count = 0;  // fewer than 8 between calls

  static constexpr unsigned kMost = 56;
  // The low `nbits` bits of `value`, at most kMost; the others must be 0. Eight bytes are written.
  void put(uint64_t value, unsigned nbits) {
    count += nbits;
    bits |= value << (63 - count) << 1;
    store_big_endian(next, bits);
    next += count >> 3;
    bits <<= count & 56;
    count &= 7;
  }
};

struct EncodePlan {
  struct Block {  // one of an MCU
    const SymbolEncoder *dc, *ac;
    int component;
  };
  std::array<Block, kMaxBlocksInMcu> blocks;
  int block_count = 0;
};

struct EncodeState {
  BitSink sink;
  std::array<int, kMaxComponents> published{};  // the DC values before, as published
  std::array<int, kMaxComponents> packed{};     // the same, in an interval
};

// What an MCU needs in the sink: ten blocks of 64 symbols of at most 31 bits are less.
constexpr size_t kMostEncodedNbytes = 4096;

// Encodes the blocks of an MCU; returns where the next one begins, or nullptr where one is damaged,
// or has no code. kPackedPadding bytes must be readable after each block.
using EncodeFunction = const uint8_t* (*)(const EncodePlan& plan, const uint8_t* next,
                                          EncodeState& state);

const uint8_t* encode_scalar(const EncodePlan& plan, const uint8_t* next, EncodeState& state);
const uint8_t* encode_avx2(const EncodePlan& plan, const uint8_t* next, EncodeState& state);

}  // namespace imnet
