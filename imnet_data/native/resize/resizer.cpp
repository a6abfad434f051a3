#include "resize/resizer.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"

namespace imnet {
namespace {

void check_side(const char* what, int side, int most) {
  if (side < 1 || side > most)
    throw std::invalid_argument(std::string(what) + " is " + std::to_string(side) +
                                "; allowed are 1 to " + std::to_string(most));
}

void check(const ResizeSpec& spec) {
  check_side("the image's width", spec.source_width, Resizer::kMaxSource);
  check_side("the image's height", spec.source_height, Resizer::kMaxSource);
  check_side("the result's width", spec.width, Resizer::kMaxResult);
  check_side("the result's height", spec.height, Resizer::kMaxResult);
  // written so that NaN fails
  if (!(spec.left >= 0 && spec.upper >= 0 && spec.left < spec.right && spec.upper < spec.lower &&
        spec.right <= static_cast<float>(spec.source_width) &&
        spec.lower <= static_cast<float>(spec.source_height)))
    throw std::invalid_argument(
        "box (" + std::to_string(spec.left) + ", " + std::to_string(spec.upper) + ", " +
        std::to_string(spec.right) + ", " + std::to_string(spec.lower) +
        ") is empty or not inside of the image of " + std::to_string(spec.source_width) + " x " +
        std::to_string(spec.source_height) + " pixels");
  if (!box_within(spec.window, spec.width, spec.height))
    throw std::invalid_argument("window " + box_text(spec.window) +
                                " is empty or not inside of the result of " +
                                std::to_string(spec.width) + " x " + std::to_string(spec.height) +
                                " pixels");
}

}  // namespace

Box Resizer::plan(const ResizeSpec& spec) {
  check(spec);
  across_.make(spec.source_width, spec.left, spec.right, spec.width, spec.window.left,
               spec.window.right, spec.filter, spec.flip);
  down_.make(spec.source_height, spec.upper, spec.lower, spec.height, spec.window.upper,
             spec.window.lower, spec.filter, false);
  down_first_ = spec.source_height > spec.height &&
                spec.source_height - spec.height > 2 * (spec.source_width - spec.width);
  return {across_.first, down_.first, across_.last, down_.last};
}

void Resizer::run(const uint8_t* source, ptrdiff_t source_stride, int channels, uint8_t* out,
                  ptrdiff_t out_stride) {
  const int source_height = down_.last - down_.first;
  const size_t source_nbytes = static_cast<size_t>(across_.last - across_.first) * channels;
  const size_t out_nbytes = static_cast<size_t>(across_.outputs) * channels;
  // a pass that only copies would not change a pixel: the other one does the copying, too
  if (across_.copies) return run_down(source, source_stride, source_nbytes, out, out_stride);
  if (down_.copies)
    return run_across(source, source_stride, channels, source_height, out, out_stride);

  const size_t row_nbytes = down_first_ ? source_nbytes : out_nbytes;
  const size_t needed = row_nbytes * (down_first_ ? down_.outputs : source_height);
  if (between_.size() < needed) between_.resize(needed);
  uint8_t* between = between_.data();
  const auto stride = static_cast<ptrdiff_t>(row_nbytes);
  if (down_first_) {
    run_down(source, source_stride, source_nbytes, between, stride);
    run_across(between, stride, channels, down_.outputs, out, out_stride);
  } else {
    run_across(source, source_stride, channels, source_height, between, stride);
    run_down(between, stride, out_nbytes, out, out_stride);
  }
}

void Resizer::run_down(const uint8_t* source, ptrdiff_t source_stride, size_t row_nbytes,
                       uint8_t* out, ptrdiff_t out_stride) const {
  const ResizePasses& use = *kernels().resize;
  for (int y = 0; y < down_.outputs; ++y) {
    const uint8_t* rows = source + down_.start[y] * source_stride;
    if (down_.copies)
      std::memcpy(out + y * out_stride, rows, row_nbytes);
    else
      use.down(down_, y, rows, source_stride, row_nbytes, out + y * out_stride);
  }
}

void Resizer::run_across(const uint8_t* source, ptrdiff_t source_stride, int channels, int height,
                         uint8_t* out, ptrdiff_t out_stride) {
  const ResizePasses& use = *kernels().resize;
  const size_t row_nbytes = static_cast<size_t>(across_.last - across_.first) * channels;
  const size_t extent = std::max(use.row_extent(across_, channels), row_nbytes);
  if (tail_.size() < extent * kRowsAtOnce) tail_.resize(extent * kRowsAtOnce);

  // reads past the end of a row must end before the end of the last one
  const uint8_t* end = source + (height - 1) * source_stride + row_nbytes;
  for (int y = 0; y < height; y += kRowsAtOnce) {
    const uint8_t* rows[kRowsAtOnce];
    uint8_t* outs[kRowsAtOnce];
    for (int r = 0; r < kRowsAtOnce; ++r) {
      const int row = std::min(y + r, height - 1);
      rows[r] = source + row * source_stride;
      outs[r] = out + row * out_stride;
      if (extent <= static_cast<size_t>(end - rows[r])) continue;
      uint8_t* copy = tail_.data() + extent * r;
      std::memcpy(copy, rows[r], row_nbytes);
      rows[r] = copy;
    }
    use.across(across_, rows, channels, outs);
  }
}

}  // namespace imnet
