// The loop over the symbols; included once for each instruction set, with IMNET_SKIP_TARGET
// (attributes of every function) and IMNET_SKIP_NAME defined.

// GCC gathers the pointers of a lane into vectors, only to extract them again at each step:
// measured, restoring is 20 % slower.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-tree-slp-vectorize")
#endif

#include "cpu/big_endian.hpp"
#include "jpeg/skip.hpp"

#define IMNET_SKIP_INLINE IMNET_SKIP_TARGET __attribute__((always_inline)) static inline
#define IMNET_EACH_LANE _Pragma("GCC unroll 4") for (int i = 0; i < kCount; ++i)

namespace imnet {
namespace {

// The bits from `bit` on, of which 57 are valid.
IMNET_SKIP_INLINE uint64_t bits_from(const uint8_t* data, uint64_t bit) {
  return load_big_endian(data + (bit >> 3)) << (bit & 7);
}

// One symbol, whatever its length. The bits of a lane that has stopped are not its own.
IMNET_SKIP_TARGET __attribute__((noinline)) void skip_symbol(const uint8_t* data, SkipLane& lane) {
  if (lane.stopped()) return;
  SkipState& state = lane.state;
  const SkipBlock& block = *state.block;
  const bool dc = state.position == 0;
  const HuffmanCodes& codes = dc ? block.table->dc_codes : block.table->ac_codes;
  const HuffmanCodes::Symbol found = codes.find(uint32_t(bits_from(data, state.bit) >> 48));
  const int size = found.value & 15;
  const bool ends = !dc && size == 0 && found.value != 0xF0;
  const uint64_t position = dc ? 1 : ends ? 64 : state.position + (found.value >> 4) + 1;
  lane.sound = found.bits <= 16 && position <= 64;
  if (!lane.sound) return;
  const bool ended = position == 64;
  state.bit += found.bits + size;
  *state.end = state.bit;
  state.end += ended;
  state.position = ended ? 0 : position;
  state.entries = ended ? block.after : block.table->rest.data();
  state.block = block.next[ended];
}

template <int kCount>
IMNET_SKIP_INLINE void skip_lanes(const uint8_t* data, SkipLane* lanes) {
  SkipState state[kCount];
  IMNET_EACH_LANE state[i] = lanes[i].state;
  bool stopped = false;
  while (!stopped) {
    uint64_t bits[kCount];
    IMNET_EACH_LANE bits[i] = bits_from(data, state[i].bit);
#pragma GCC unroll 3
    for (int lookup = 0; lookup < 3; ++lookup) {
      IMNET_EACH_LANE {
        SkipState& at = state[i];
        const uint64_t entry = at.entries[bits[i] >> (64 - kSkipBits)];
        const uint64_t moved = at.position + (entry >> 6);
        if (__builtin_expect(uint8_t(moved) > 64, 0)) {
          lanes[i].state = at;
          skip_symbol(data, lanes[i]);
          at = lanes[i].state;
          stopped |= !lanes[i].sound;
          bits[i] = bits_from(data, at.bit);
          continue;
        }
        bits[i] <<= entry & 63;
        at.bit += entry & 63;
        *at.end = at.bit;
        const int64_t within = int64_t(moved - 64) >> 63;  // -1; 0 where the block ended
        at.end += 1 + within;
        at.position = moved & within;
        const SkipBlock& block = *at.block;
        at.entries = reinterpret_cast<const uint16_t*>(reinterpret_cast<uintptr_t>(block.after) ^
                                                       (uintptr_t(within) & block.change));
        at.block = block.next[1 + within];
      }
    }
    IMNET_EACH_LANE stopped |= state[i].end >= lanes[i].last || state[i].bit > lanes[i].limit;
  }
  IMNET_EACH_LANE lanes[i].state = state[i];
}

}  // namespace

IMNET_SKIP_TARGET void IMNET_SKIP_NAME(const uint8_t* data, SkipLane* lanes, int count) {
  if (count == 1)
    skip_lanes<1>(data, lanes);
  else
    skip_lanes<kSkipLanes>(data, lanes);
}

}  // namespace imnet
