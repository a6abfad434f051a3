// Whether entropy-coded data is sound, found by stepping over its symbols: a yes is certain, and
// costs less than decoding; where it is no, JpegDecoder finds the place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "jpeg/header.hpp"
#include "jpeg/skip.hpp"
#include "jpeg/tables.hpp"

namespace imnet {

class ScanWalk {  // keeps its tables between images
 public:
  // Takes the tables of header.scan; false where one of them is missing, or is none.
  bool plan(const JpegHeader& header);
  // Whether `mcus` MCUs begin at `data` and end within `nbytes` bytes. The data is unstuffed, and
  // kScanPadding bytes after it can be read, the first of which are 0.
  bool sound(const uint8_t* data, size_t nbytes, int64_t mcus);

 private:
  static constexpr int64_t kBlocksAtOnce = 1024;  // whose ends fit the first-level cache

  TableCache<SkipTable, BlockSpecs> tables_;
  std::array<SkipBlock, kMaxBlocksInMcu> ring_;
  std::array<uint64_t, kBlocksAtOnce + kSkipSlack> ends_;
  int block_count_ = 0;
};

}  // namespace imnet
