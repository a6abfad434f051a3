// Antialiased resize, equal to Pillow's Image.resize (bilinear, bicubic) to the last bit.
//
// Two passes, 8 bits between them; each output is a weighted sum of neighbouring inputs with
// weights in 22-bit fixed point, summed in 32-bit integers and rounded half up. The filter widens
// with the scale, so that shrinking averages all pixels. Rows are resized before columns, except
// where the height shrinks by more than twice as many pixels as the width, as in Pillow since 13.0;
// earlier versions always begin with the rows (some pixels differ by one level).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pixels/box.hpp"
#include "resize/axis.hpp"

namespace imnet {

struct ResizeSpec {
  int source_width, source_height;  // of the whole image
  float left, upper, right, lower;  // the box of it that is resized; neighbours outside still count
  int width, height;                // the box becomes this large
  Box window;                       // the part of the resized box that is made
  Filter filter;
  bool flip;  // mirror the window, left to right
};

// One per thread: keeps its weights and its intermediate image between calls.
class Resizer {
 public:
  static constexpr int kMaxSource = 65535;     // a side in pixels: the limit of a JPEG
  static constexpr int kMaxResult = 1 << 24;  // of which only the window is made

  // Returns the part of the source that the window depends on; throws std::invalid_argument.
  Box plan(const ResizeSpec& spec);

  // Makes the planned window from the planned part of the source. `source` points to the upper left
  // pixel of that part; strides are in bytes and at least a row long; channels are interleaved.
  void run(const uint8_t* source, ptrdiff_t source_stride, int channels, uint8_t* out,
           ptrdiff_t out_stride);

 private:
  void run_across(const uint8_t* source, ptrdiff_t source_stride, int channels, int height,
                  uint8_t* out, ptrdiff_t out_stride);
  void run_down(const uint8_t* source, ptrdiff_t source_stride, size_t row_nbytes, uint8_t* out,
                ptrdiff_t out_stride) const;

  Axis across_, down_;
  bool down_first_ = false;
  std::vector<uint8_t> between_;  // the image between the passes
  std::vector<uint8_t> tail_;  // copies of the last source rows, with room to read past their ends
};

}  // namespace imnet
