// The samples of the wanted part of an image, and their conversion to RGB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "jpeg/color.hpp"
#include "jpeg/header.hpp"
#include "jpeg/upsample.hpp"
#include "pixels/box.hpp"

namespace imnet {

// A block of memory that grows and never shrinks; its content is not kept when it grows.
class GrowingBuffer {
 public:
  uint8_t* reserve(size_t nbytes) {
    if (nbytes > nbytes_) {
      memory_.reset();
      memory_.reset(new uint8_t[nbytes]);
      nbytes_ = nbytes;
    }
    return memory_.get();
  }
  const uint8_t* data() const { return memory_.get(); }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  size_t nbytes_ = 0;
};

// Which MCUs a box needs, including the neighbours that fancy upsampling reads.
struct McuRegion {
  int left = 0, upper = 0, right = 0, lower = 0;  // half open, in MCUs of an interleaved scan

  McuRegion() = default;
  McuRegion(const JpegHeader& header, const Box& box);
};

struct Plane {
  uint8_t* samples = nullptr;  // at (left, upper)
  ptrdiff_t stride = 0;
  int left = 0, upper = 0;    // in samples of this component
  int width = 0, height = 0;  // of the whole component, without the padding of its blocks

  uint8_t* row(int y) const { return samples + (y - upper) * stride; }
};

class JpegPlanes {
 public:
  void plan(const JpegHeader& header, const Box& box, const McuRegion& region);

  void fill(uint8_t value);

  const Plane& plane(int component) const { return planes_[component]; }

  // How many pixel rows can be made once all MCU rows before `mcu_row` have been decoded.
  int rows_ready(int mcu_row) const;

  // Makes the pixel rows [first, last) of the image; `out` is the first of them.
  void write(int first, int last, uint8_t* out, ptrdiff_t out_stride) const;

 private:
  enum class Upsample { none, h2, v2, h2v2, repeat };

  const uint8_t* row_of(int component, int y) const;

  Box box_;
  McuRegion region_;
  int mcu_height_ = 8, component_count_ = 0;
  bool rgb_ = false, needs_next_row_ = false;
  std::array<Plane, 3> planes_;
  std::array<Upsample, 3> upsample_{};
  std::array<int, 3> h_factor_{}, v_factor_{};
  std::array<uint8_t*, 3> rows_{};
  const UpsampleRows* upsample_rows_ = nullptr;
  const ColorRows* color_rows_ = nullptr;
  GrowingBuffer memory_;
  size_t nbytes_ = 0;  // of all planes
};

}  // namespace imnet
