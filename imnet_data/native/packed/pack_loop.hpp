// The loop over MCUs that are packed; included once for each instruction set, with IMNET_SCAN_TARGET
// (attributes of every function), IMNET_PACK_NAME and IMNET_PACK_BLOCK defined.

#include "jpeg/bits.hpp"

namespace imnet {
namespace {

// Whether the symbols of a block are those that its coefficients have in any encoder: no run of
// zeros before the end of the block. `end` is as read_ac returns it, `masks` without the DC value.
IMNET_SCAN_INLINE bool symbols_follow(unsigned end, uint64_t masks) {
  const unsigned last = 63 - unsigned(__builtin_clzll(masks | 1));
  return end == 64 ? last == 63 : end - kEndOfBlock - (last + 1) <= 1;
}

}  // namespace

IMNET_SCAN_TARGET PackOutcome IMNET_PACK_NAME(ScanPlan& plan, ScanStream& stream, int mcus,
                                              int* before, uint8_t*& out) {
  BitReader reader = stream.reader;
  int16_t* const coefficients = plan.coefficients[0];
  for (int mcu = 0; mcu < mcus; ++mcu) {
    for (int i = 0; i < plan.block_count; ++i) {
      const ScanBlock& block = plan.blocks[i];
      int &published = stream.predictions[block.component], &packed = before[block.component];
      if (!decode_dc(*block.dc, reader, published)) return PackOutcome::damaged;
      const unsigned end = read_ac<true>(*block.ac, reader, coefficients);
      const int difference = published - packed;
      if (end == 0 || published != int16_t(published) || difference != int16_t(difference)) {
        std::memset(coefficients, 0, 64 * sizeof *coefficients);
        return PackOutcome::damaged;
      }
      packed = published;
      uint64_t masks;
      out = IMNET_PACK_BLOCK(coefficients, difference, out, masks);
      if (!symbols_follow(end, masks)) return PackOutcome::ambiguous;
    }
    if (reader.next > stream.end + 16) return PackOutcome::damaged;
  }
  stream.reader = reader;
  return PackOutcome::ok;
}

}  // namespace imnet
