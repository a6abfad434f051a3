// The bytes of a scan that is restored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels.hpp"
#include "packed/encode.hpp"

namespace imnet {

// Appends entropy-coded data to a file, stuffed.
class ScanWriter {
 public:
  ScanWriter(std::vector<uint8_t>& out, BitSink& sink);

  // To be called after each MCU, at least.
  void make_room() {
    if (sink_.next > chunk_.data() + kChunk) flush();
  }
  // Completes the last byte with the low bits of `pad`, and appends all that there is.
  void finish(unsigned pad);
  void mark(uint8_t code);

 private:
  static constexpr size_t kChunk = 1 << 14;  // stays in the first-level cache

  void flush();

  std::vector<uint8_t>& out_;
  BitSink& sink_;
  StuffFunction stuff_;
  std::vector<uint8_t> chunk_;
};

}  // namespace imnet
