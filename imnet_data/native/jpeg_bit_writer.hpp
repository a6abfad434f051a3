// Bits into bytes, not yet stuffed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "big_endian.hpp"

namespace imnet {

class BitWriter {
 public:
  // Up to 8 bytes are written beyond the last whole one.
  explicit BitWriter(uint8_t* out) : start_(out), next_(out) {}

  // The low `count` bits of `value`, 56 at most; the others must be 0.
  void put(uint64_t value, int count) {
    bits_ = bits_ << count | value;
    count_ += count;
    store_big_endian(next_, bits_ << (63 - count_) << 1);
    next_ += count_ >> 3;
    count_ &= 7;
    bits_ &= (uint64_t(1) << count_) - 1;
  }

  // Bits [begin, end) of `data`; 8 bytes after the last one must be readable.
  void copy(const uint8_t* data, uint64_t begin, uint64_t end) {
    if (begin + 72 <= end) {
      const int missing = (8 - count_) & 7;
      copy_few(data, begin, missing);
      begin += missing;
      for (; begin + 64 <= end; begin += 64, next_ += 8)
        store_big_endian(next_, load_big_endian(data + (begin >> 3)) << (begin & 7) |
                         data[(begin >> 3) + 8] >> (8 - (begin & 7)));
    }
    for (; begin < end; begin += 56)
      copy_few(data, begin, end - begin < 56 ? int(end - begin) : 56);
  }

  // Fills the last byte with the low bits of `pad`.
  void finish(unsigned pad) {
    const int missing = (8 - count_) & 7;
    if (missing != 0) put(pad & ((1u << missing) - 1), missing);
  }

  size_t size() const { return next_ - start_; }

 private:
  // 56 bits at most
  void copy_few(const uint8_t* data, uint64_t begin, int count) {
    if (count != 0) put(load_big_endian(data + (begin >> 3)) << (begin & 7) >> (64 - count), count);
  }

  uint8_t* start_;
  uint8_t* next_;
  uint64_t bits_ = 0;
  int count_ = 0;  // fewer than 8 between calls
};

}  // namespace imnet
