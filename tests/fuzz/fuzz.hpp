// What the fuzz targets share: a box out of the input, and exact images to compare.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels.hpp"
#include "jpeg/decoder.hpp"

namespace imnet {

constexpr uint64_t kFuzzPixels = 1 << 18;  // bounds the time of one input

inline void require(bool claim) {
  if (!claim) std::abort();
}

// Some box within the image, the same for the same bytes.
inline Box some_box(const uint8_t* data, size_t nbytes, const JpegHeader& header) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (size_t i = 0; i < nbytes; ++i) hash = (hash ^ data[i]) * 0x100000001B3u;
  const auto next = [&](int below) {
    hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9u;
    return int((hash >> 33) % uint64_t(below));
  };
  Box box;
  box.left = next(header.width);
  box.upper = next(header.height);
  box.right = box.left + 1 + next(header.width - box.left);
  box.lower = box.upper + 1 + next(header.height - box.upper);
  return box;
}

struct Pixels {
  JpegStatus status;
  std::vector<uint8_t> rows;  // as large as the box: a byte too many is found
};

inline Pixels pixels_of(JpegDecoder& decoder, const Box& box) {
  Pixels made;
  made.rows.resize(size_t(box.width()) * box.height() * 3);
  made.status = decoder.decode(box, made.rows.data(), box.width() * 3);
  return made;
}

// Whether `part` is `box` of `whole`, which is `width` pixels wide.
inline bool is_cut(const std::vector<uint8_t>& part, const Box& box,
                   const std::vector<uint8_t>& whole, int width) {
  for (int y = 0; y < box.height(); ++y) {
    const size_t row = (size_t(box.upper + y) * width + box.left) * 3;
    if (std::memcmp(part.data() + size_t(y) * box.width() * 3, whole.data() + row,
                    size_t(box.width()) * 3) != 0)
      return false;
  }
  return true;
}

inline Box whole_box(const JpegHeader& header) { return {0, 0, header.width, header.height}; }

// A copy that ends where its allocation ends, so that reading on is found.
inline std::vector<uint8_t> exact_copy(const uint8_t* data, size_t nbytes) {
  return std::vector<uint8_t>(data, data + nbytes);
}

}  // namespace imnet
