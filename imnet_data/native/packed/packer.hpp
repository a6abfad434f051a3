// Packing a baseline JPEG.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"
#include "jpeg/tables.hpp"
#include "packed/pack.hpp"

namespace imnet {

// One per thread; keeps its workspace between images.
class JpegPacker {
 public:
  // Appends the packed file to `out`; `not_packable` with the reason where it cannot be made, or
  // restore() would not return the same bytes. `target_width` is that of an interval, in pixels.
  JpegStatus pack(const uint8_t* data, size_t nbytes, int target_width, std::vector<uint8_t>& out);

 private:
  JpegStatus plan(const JpegHeader& header);
  JpegStatus pack_scan(const JpegHeader& header, const uint8_t* data, const uint8_t* end,
                       const uint8_t** stop);
  JpegStatus pack_mcus(ScanStream& stream, int64_t first, int64_t last);
  void write_file(const uint8_t* data, size_t nbytes, size_t prefix_nbytes, size_t suffix_nbytes,
                  std::vector<uint8_t>& out) const;

  TableCache<DcTable> dc_tables_;
  TableCache<AcTable> ac_tables_;
  ScanPlan plan_;
  int interval_ = 0, columns_ = 0;
  unsigned pad_ = 0;
  std::array<int, kMaxComponents> before_{};  // the DC values before, in the interval
  GrowingBuffer unstuffed_;
  std::vector<uint8_t> packed_;  // its first packed_nbytes_ are written
  size_t packed_nbytes_ = 0;
  std::vector<uint32_t> offsets_;
};

}  // namespace imnet
