// From entropy-coded data to the blocks of a packed JPEG.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/scan.hpp"
#include "packed/block.hpp"

namespace imnet {

constexpr size_t kMostBlockNbytes = 1 + 3 + 8 + 3 + 64 + 1 + 3 * kMostWide;
// What the blocks of an MCU may take, and bytes beyond that may be written.
constexpr size_t kMostMcuNbytes = kMaxBlocksInMcu * kMostBlockNbytes + 64;

enum class PackOutcome {
  ok,
  damaged,
  ambiguous,  // other symbols than an encoder must write for these coefficients
};

// Packs MCUs that follow one another in an interval, and moves `out` behind them. Of the blocks of
// the plan, the tables are used; `before` has the DC values before in the interval.
using PackFunction = PackOutcome (*)(ScanPlan& plan, ScanStream& stream, int mcus, int* before,
                                     uint8_t*& out);

PackOutcome pack_scalar(ScanPlan& plan, ScanStream& stream, int mcus, int* before, uint8_t*& out);
PackOutcome pack_avx2(ScanPlan& plan, ScanStream& stream, int mcus, int* before, uint8_t*& out);

}  // namespace imnet
