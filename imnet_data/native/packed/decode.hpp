// Pixels out of a packed JPEG, as those of the published one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/planes.hpp"
#include "jpeg/scan.hpp"
#include "packed/file.hpp"
#include "packed/unpack.hpp"

namespace imnet {

class PackedDecoder {  // keeps its workspace between images
 public:
  // `header` is that of the file, `box` within it; see JpegDecoder::decode.
  JpegStatus decode(const PackedFile& file, const JpegHeader& header, const Box& box, uint8_t* out,
                    ptrdiff_t out_stride);
  // Reads all blocks and makes no samples.
  JpegStatus check(const PackedFile& file, const JpegHeader& header);

 private:
  void plan_blocks(const JpegHeader& header);
  JpegStatus decode_interval(const PackedFile& file, int row, int number);

  JpegPlanes planes_;
  ScanPlan plan_;
  McuRegion region_;
  int columns_ = 0, per_row_ = 0;
  alignas(64) int16_t quant_[kMaxComponents][64];
  GrowingBuffer tail_;
};

}  // namespace imnet
