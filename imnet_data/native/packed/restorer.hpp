// The published JPEG out of a packed one, byte for byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"
#include "packed/encoder.hpp"
#include "packed/file.hpp"
#include "packed/values.hpp"

namespace imnet {

class PackedRestorer {  // keeps its workspace between images
 public:
  // Appends the published file; `damaged` where this is not possible.
  JpegStatus restore(const uint8_t* data, size_t nbytes, std::vector<uint8_t>& out);

 private:
  struct Block {  // one of an MCU
    const SymbolEncoder *dc, *ac;
    int component;
  };

  void plan(const JpegHeader& header);
  bool write_scan(const PackedFile& file, const JpegHeader& header, std::vector<uint8_t>& out);
  const uint8_t* write_block(const uint8_t* next, const Block& block, ScanWriter& writer);

  std::array<SymbolEncoder, 4> dc_, ac_;
  std::array<Block, kMaxBlocksInMcu> blocks_;
  int block_count_ = 0;
  std::array<int, kMaxComponents> published_{};  // the DC values before, as published
  std::array<int, kMaxComponents> packed_{};     // the same, in an interval
  ValuesFunction values_ = nullptr;
  GrowingBuffer tail_;
};

}  // namespace imnet
