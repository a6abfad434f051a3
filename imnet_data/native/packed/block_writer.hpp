// Collects the coefficients of a block and writes it; packed/block.hpp has the layout.
#pragma once

#include <cstdint>

#include "packed/block.hpp"

namespace imnet {

class BlockWriter {
 public:
  // To be called with rising positions, 1 to 63, and values that are not 0, within 16 bits.
  void add(int position, int value) {
    int magnitude = value < 0 ? -value : value;
    if (__builtin_expect(magnitude > kNarrowLimit, 0)) {
      wide_positions_[wide_count_] = uint8_t(position);
      wide_values_[wide_count_++] = int16_t(value);
      magnitude = 1;
    }
    const auto coded = unsigned(2 * (magnitude - 1) + (value < 0));
    masks_ |= uint64_t(1) << position;
    coded_[count_++] = uint8_t(coded);
    used_[position >> 3] = uint8_t(used_[position >> 3] | coded);
  }

  uint64_t masks() const { return masks_; }  // a bit for each position

  // Writes the block to `out`, at most kMostBlockNbytes, and up to 8 bytes beyond.
  uint8_t* write(int difference, uint8_t* out) const;

 private:
  uint64_t masks_ = 0;
  int count_ = 0, wide_count_ = 0;
  uint8_t coded_[64];
  uint8_t used_[8] = {};  // the bits that the values of a group use, together
  uint8_t wide_positions_[64];
  int16_t wide_values_[64];
};

}  // namespace imnet
