// Where the blocks of a scan end: its Huffman symbols are stepped over, not decoded.
//
// An entry of a table covers the next kSkipBits bits. It steps over all symbols whose codes lie in
// them, up to the end of the block; the value of the last symbol may reach beyond.
//   0..5   bits used
//   6..15  how far the position in the block moves; + kSkipEnd where the block ends
// Where even the first code is longer, it uses no bits and moves by kSkipUnknown.
//
// Several restart intervals are walked in turn, so that the processor can work on the others while
// it waits for an entry of one. There is no branch at the end of a block: it would be mispredicted
// more often than not, and delay all of them.
//
// Source: ITU-T T.81, F.2.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "jpeg/huffman.hpp"
#include "jpeg/tables.hpp"

namespace imnet {

// Measured on 250 ImageNet files: with 12 bits restoring them is 1 % faster than with 11 on Zen 4, 4 %
// on Zen 5, and examining them 5 %; with 13 bits it is 2 % slower on Zen 4.
constexpr int kSkipBits = 12;
constexpr int kSkipSize = 1 << kSkipBits;
// Three lookups in the 57 bits of a load.
constexpr int kMaxSkip = (57 - kSkipBits) / 2;
// The low byte of a position is above 64 where the block does not end as it should, even if all
// symbols of an entry are runs of 16 zeros with codes of one bit.
constexpr int kSkipEnd = 257;
constexpr int kSkipUnknown = 128;
static_assert(63 + 16 * kSkipBits < 256 && 63 + 16 * (kSkipBits - 1) + kSkipEnd < 512);

struct BlockSpecs {  // the tables of a component
  HuffmanSpec dc, ac;
};

inline bool same(const BlockSpecs& a, const BlockSpecs& b) {
  return same(a.dc, b.dc) && same(a.ac, b.ac);
}

struct SkipTable {
  bool build(const BlockSpecs& specs);
  // entries for a DC difference and what comes after it, and for AC symbols alone
  std::array<uint16_t, kSkipSize> first, rest;
  HuffmanCodes dc_codes, ac_codes;
};

struct SkipBlock {  // one of the blocks of an MCU
  const SkipTable* table;
  const SkipBlock* next[2];  // itself, and the one after it: they are a ring
  const uint16_t* after;     // the entries for the start of the next block
  uintptr_t change;          // its address XOR that of the entries for the rest of this block
};

// Fills in all but the tables: each block is followed by the next one, the last by the first.
void link(SkipBlock* ring, int count);

struct SkipState {
  uint64_t bit = 0;  // the next one
  const SkipBlock* block = nullptr;
  uint64_t position = 0;              // in the block; 0: before its DC difference
  const uint16_t* entries = nullptr;  // for the next bits
  uint64_t* end = nullptr;            // where to put the bit at which this block ends
};

struct SkipLane {  // a restart interval that is being walked
  SkipState state;
  uint64_t* last = nullptr;  // after the place for the end of the last block
  uint64_t limit = 0;        // the bit after the data
  bool sound = true;         // false: there is no such code, or a block has too many coefficients

  bool complete() const { return state.end >= last; }
  bool stopped() const { return complete() || !sound || state.bit > limit; }
};

// Measured: restoring is 9 % slower with 2, and 4 % with 4, whose state exceeds the registers.
constexpr int kSkipLanes = 3;
// This many ends may be written from `last` on; up to 20 bytes may be read after the limit.
constexpr int kSkipSlack = 3;

// Continues until one of the lanes has stopped; `count` is 1 or kSkipLanes.
using SkipFunction = void (*)(const uint8_t* data, SkipLane* lanes, int count);
void skip_scalar(const uint8_t* data, SkipLane* lanes, int count);
void skip_avx2(const uint8_t* data, SkipLane* lanes, int count);

}  // namespace imnet
