// The loop over the MCUs of a scan; included once for each instruction set, with IMNET_SCAN_TARGET
// (attributes of every function), IMNET_SCAN_NAME and IMNET_IDCT defined.

#include <cstring>
#include <utility>

#include "jpeg/bits.hpp"

namespace imnet {
namespace {

// A block whose coefficients are there, and where its samples go.
struct PendingBlock {
  int16_t* coefficients;
  const int16_t* quant;
  uint8_t* out;
  ptrdiff_t stride;
};

IMNET_SCAN_INLINE void finish(const PendingBlock& block) {
  IMNET_IDCT(block.coefficients, block.quant, block.out, block.stride);
}

}  // namespace

// Each block is transformed after the next one's coefficients were read: the end of a block is a
// branch that is mispredicted more often than not, and the processor can work on the transform
// while it looks up the symbols that follow.
IMNET_SCAN_TARGET bool IMNET_SCAN_NAME(ScanPlan& plan, ScanStream& stream, const ScanRun& run) {
  BitReader reader = stream.reader;
  PendingBlock pending{};
  int16_t* next = plan.coefficients[0];
  int16_t* other = plan.coefficients[1];
  bool sound = true;
  for (int column = run.column; sound && column < run.column + run.count; ++column) {
    const bool wanted =
        run.wanted && column >= plan.first_column && column < plan.last_column;
    for (int i = 0; i < plan.block_count && sound; ++i) {
      const ScanBlock& block = plan.blocks[i];
      int& prediction = stream.predictions[block.component];
      sound = decode_dc(*block.dc, reader, prediction);
      if (!sound) break;
      if (!wanted) {
        sound = read_ac<false>(*block.ac, reader, nullptr) != 0;
        continue;
      }
      next[0] = int16_t(prediction);
      sound = read_ac<true>(*block.ac, reader, next) != 0;
      if (pending.coefficients != nullptr) finish(pending);
      pending = {next, block.quant,
                 block.samples + run.row * block.row_step + column * block.column_step,
                 block.stride};
      std::swap(next, other);
    }
    if (reader.next > stream.end + 16) sound = false;
  }
  if (pending.coefficients != nullptr) finish(pending);
  stream.reader = reader;
  return sound;
}

}  // namespace imnet
