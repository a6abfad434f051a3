// Bits into bytes, not yet stuffed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace imnet {

class BitWriter {
 public:
  // Up to 8 bytes are written beyond the last whole one.
  explicit BitWriter(uint8_t* out) : start_(out), next_(out) {}

  // The low `count` bits of `value`, 56 at most; the others must be 0.
  void put(uint64_t value, int count) {
    bits_ = bits_ << count | value;
    count_ += count;
    uint64_t top = bits_ << (63 - count_) << 1;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    top = __builtin_bswap64(top);
#endif
    std::memcpy(next_, &top, 8);
    next_ += count_ >> 3;
    count_ &= 7;
    bits_ &= (uint64_t(1) << count_) - 1;
  }

  // Bits [begin, end) of `data`; 8 bytes after the last one must be readable.
  void copy(const uint8_t* data, uint64_t begin, uint64_t end) {
    while (begin < end) {
      const int count = end - begin < 56 ? int(end - begin) : 56;
      uint64_t word;
      std::memcpy(&word, data + (begin >> 3), 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
      word = __builtin_bswap64(word);
#endif
      put(word << (begin & 7) >> (64 - count), count);
      begin += count;
    }
  }

  // Fills the last byte with the low bits of `pad`.
  void finish(unsigned pad) {
    const int missing = (8 - count_) & 7;
    if (missing != 0) put(pad & ((1u << missing) - 1), missing);
  }

  size_t size() const { return next_ - start_; }

 private:
  uint8_t* start_;
  uint8_t* next_;
  uint64_t bits_ = 0;
  int count_ = 0;  // fewer than 8 between calls
};

}  // namespace imnet
