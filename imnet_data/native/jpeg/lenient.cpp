#include "jpeg/lenient.hpp"

#include <algorithm>

namespace imnet {

int LenientReader::bit() {
  if (bits_left_ == 0) {
    if (marker_ == 0 && offset_ >= nbytes_) marker_ = kEndOfImage;
    if (marker_ == 0) {
      byte_ = data_[offset_++];
      if (byte_ == 0xFF) {
        while (offset_ < nbytes_ && data_[offset_] == 0xFF) ++offset_;
        const int next = offset_ < nbytes_ ? data_[offset_++] : kEndOfImage;
        if (next != 0) marker_ = next;
      }
    }
    if (marker_ != 0) {
      insufficient_ = true;
      return 0;
    }
    bits_left_ = 8;
  }
  return byte_ >> --bits_left_ & 1;
}

int LenientReader::bits(int count) {
  int value = 0;
  for (int i = 0; i < count; ++i) value = value << 1 | bit();
  return value;
}

int LenientReader::symbol(const HuffmanCodes& codes) {
  uint32_t code = 0;
  for (int length = 1; length <= 16; ++length) {
    code = code << 1 | uint32_t(bit());
    if (code << (16 - length) < codes.limits[length])
      return codes.symbols[(code + codes.offsets[length]) & 255];
  }
  bit();  // libjpeg has taken 17 bits when it gives up
  return 0;
}

void LenientReader::decode_block(const ScanBlock& block, int16_t* coefficients) {
  int size = symbol(block.dc->codes);
  int& prediction = predictions_[block.component];
  prediction = int(unsigned(prediction) + unsigned(extend(bits(size), size)));
  coefficients[0] = int16_t(prediction);
  for (int position = 1; position < 64; ++position) {
    const int found = symbol(block.ac->codes);
    size = found & 15;
    if (size == 0 && found != 0xF0) break;
    position += found >> 4;
    if (size != 0)
      coefficients[kZigzagPlaces[std::min(position, 63)]] = int16_t(extend(bits(size), size));
  }
}

void LenientReader::decode_mcu(const ScanPlan& plan, int16_t* coefficients) {
  if (insufficient_) return;
  for (int i = 0; i < plan.block_count; ++i)
    decode_block(plan.blocks[i], coefficients + i * kBlockStride);
}

void LenientReader::find_marker() {
  while (offset_ < nbytes_) {
    if (data_[offset_++] != 0xFF) continue;
    while (offset_ < nbytes_ && data_[offset_] == 0xFF) ++offset_;
    if (offset_ < nbytes_ && data_[offset_] != 0) {
      marker_ = data_[offset_++];
      return;
    }
  }
  marker_ = kEndOfImage;
}

void LenientReader::restart(int number) {
  bits_left_ = 0;
  std::fill_n(predictions_, kMaxComponents, 0);
  if (marker_ == 0) find_marker();
  for (;;) {
    const int behind = (marker_ - 0xD0 - number) & 7;  // of the marker due
    const bool is_restart = (marker_ & 0xF8) == 0xD0;
    if (is_restart && (behind == 1 || behind == 2)) return;  // not yet: its turn comes
    if (marker_ >= 0xC0 && !is_restart) return;
    if (is_restart && behind != 6 && behind != 7) break;  // the one due, or too far to tell
    find_marker();  // an earlier one, or no marker at all
  }
  marker_ = 0;
  insufficient_ = false;
}

}  // namespace imnet
