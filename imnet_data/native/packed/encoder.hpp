// Huffman codes and the bits of a scan, to restore one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/big_endian.hpp"
#include "jpeg/header.hpp"
#include "kernels.hpp"

namespace imnet {

class SymbolEncoder {
 public:
  void build(const HuffmanSpec& spec);
  // The code with its length in the low byte; 0 where the table has none.
  uint32_t operator[](int symbol) const { return codes_[size_t(symbol)]; }

 private:
  std::array<uint32_t, 256> codes_{};
};

// The bits of a value in the scan: T.81, F.1.2.1.
struct ValueBits {
  uint8_t size = 0;
  uint16_t bits = 0;
};

constexpr ValueBits value_bits_of(int value) {
  ValueBits found;
  for (int left = value < 0 ? -value : value; left != 0; left >>= 1) ++found.size;
  found.bits = uint16_t((value < 0 ? value - 1 : value) & ((1 << found.size) - 1));
  return found;
}

// Appends entropy-coded data to a file, stuffed.
class ScanWriter {
 public:
  explicit ScanWriter(std::vector<uint8_t>& out);

  // A symbol and its value; false where the table has no code for it.
  bool put(const SymbolEncoder& encoder, int run, ValueBits value) {
    const uint32_t code = encoder[run << 4 | value.size];
    put(uint64_t(code >> 8) << value.size | value.bits, (code & 255) + value.size);
    return code != 0;
  }

  // To be called after each MCU, at least.
  void make_room() {
    if (next_ > chunk_.data() + kChunk) flush();
  }
  // Completes the last byte with the low bits of `pad`, and appends all that there is.
  void finish(unsigned pad);
  void mark(uint8_t code);

 private:
  static constexpr size_t kChunk = 1 << 14;  // stays in the first-level cache
  static constexpr size_t kMcuRoom = 4096;  // ten blocks of 64 symbols of at most 31 bits are less

  // The low `count` bits of `value`, 31 at most; the others must be 0.
  void put(uint64_t value, unsigned count) {
    count_ += count;
    bits_ |= value << (63 - count_) << 1;
    store_big_endian(next_, bits_);
    next_ += count_ >> 3;
    bits_ <<= count_ & 56;
    count_ &= 7;
  }
  void flush();

  std::vector<uint8_t>& out_;
  StuffFunction stuff_;
  std::vector<uint8_t> chunk_;
  uint8_t* next_;
  uint64_t bits_ = 0;   // first one on top
  unsigned count_ = 0;  // fewer than 8 between calls
};

}  // namespace imnet
