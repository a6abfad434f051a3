// Bits into the bytes of a scan: stuffed, a zero after each FF.
//
// Source: ITU-T T.81, B.1.1.5, F.1.2.3.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/stuffing.hpp"
#include "kernels.hpp"

namespace imnet {

class BitWriter {
 public:
  // Up to kStuffingSlack bytes are written beyond the last one.
  explicit BitWriter(uint8_t* out) : start_(out), next_(out), stuff_(kernels().stuff) {}

  // The low `count` bits of `value`, 56 at most; the others must be 0.
  void put(uint64_t value, int count) {
    bits_ = bits_ << count | value;
    count_ += count;
    next_ = store_stuffed(bits_ << (63 - count_) << 1, count_ >> 3, next_);
    count_ &= 7;
    bits_ &= (uint64_t(1) << count_) - 1;
  }

  // Bits [begin, end) of `data`; kStuffingSlack bytes after the last one must be readable.
  void copy(const uint8_t* data, uint64_t begin, uint64_t end) {
    if (begin + 72 <= end) {
      const int missing = (8 - count_) & 7;
      copy_few(data, begin, missing);
      begin += missing;
      const uint64_t nbytes = (end - begin) >> 3;
      next_ = stuff_(data + (begin >> 3), begin & 7, nbytes, next_);
      begin += 8 * nbytes;
    }
    for (; begin < end; begin += 56)
      copy_few(data, begin, end - begin < 56 ? int(end - begin) : 56);
  }

  // Completes the last byte with the low bits of `pad`; returns how many.
  int finish(unsigned pad) {
    const int missing = (8 - count_) & 7;
    if (missing != 0) put(pad & ((1u << missing) - 1), missing);
    return missing;
  }

  // A marker, after `finish`.
  void mark(uint8_t code) {
    *next_++ = 0xFF;
    *next_++ = code;
  }

  size_t size() const { return next_ - start_; }

 private:
  // 56 bits at most
  void copy_few(const uint8_t* data, uint64_t begin, int count) {
    if (count != 0) put(load_big_endian(data + (begin >> 3)) << (begin & 7) >> (64 - count), count);
  }

  uint8_t* start_;
  uint8_t* next_;
  StuffFunction stuff_;
  uint64_t bits_ = 0;
  int count_ = 0;  // fewer than 8 between calls
};

}  // namespace imnet
