// The published JPEG out of a packed one, byte for byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"
#include "packed/encode.hpp"
#include "packed/file.hpp"

namespace imnet {

class PackedRestorer {  // keeps its workspace between images
 public:
  // Appends the published file; `damaged` where this is not possible.
  JpegStatus restore(const uint8_t* data, size_t nbytes, std::vector<uint8_t>& out);

 private:
  void plan(const JpegHeader& header);
  bool write_scan(const PackedFile& file, const JpegHeader& header, std::vector<uint8_t>& out);

  std::array<SymbolEncoder, 4> dc_, ac_;
  EncodePlan plan_;
  GrowingBuffer tail_;
};

}  // namespace imnet
