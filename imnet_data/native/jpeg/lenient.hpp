// Damaged entropy-coded data, read as libjpeg reads it: what is missing is filled.
//
// A code that is not in its table counts as 0; where the data of an interval ends early, its
// current MCU is finished with zero bits and the others are left at zero, which is mid-grey; at a
// restart marker that is not the one due, libjpeg's rule decides whether to wait or to go on.
// Symbol by symbol, bit by bit: for images that the fast way has refused.
//
// Source: libjpeg 6b, jdhuff.c and jdmarker.c (jpeg_resync_to_restart), as in libjpeg-turbo.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/scan.hpp"

namespace imnet {

class LenientReader {
 public:
  LenientReader(const uint8_t* data, size_t nbytes, size_t offset)
      : data_(data), nbytes_(nbytes), offset_(offset) {}

  // The next MCU; `coefficients` are zero before, blocks kBlockStride apart.
  void decode_mcu(const ScanPlan& plan, int16_t* coefficients);
  // Goes over a restart marker; `number` is the one due, 0 to 7.
  void restart(int number);

 private:
  int bit();
  int bits(int count);
  int symbol(const HuffmanCodes& codes);
  void decode_block(const ScanBlock& block, int16_t* coefficients);
  void find_marker();

  static constexpr int kEndOfImage = 0xD9;

  const uint8_t* data_;
  size_t nbytes_, offset_;
  uint32_t byte_ = 0;
  int bits_left_ = 0;
  int marker_ = 0;  // the one that ends the data now; 0: none was met
  bool insufficient_ = false;
  int predictions_[kMaxComponents] = {};
};

}  // namespace imnet
