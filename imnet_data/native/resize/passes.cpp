#include <algorithm>

#include "resize/passes.hpp"

namespace imnet {
namespace {

constexpr int32_t kHalf = 1 << (kWeightBits - 1);

uint8_t to_pixel(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255));
}

template <int Channels>
void across_row(const Axis& axis, const uint8_t* row, uint8_t* out) {
  for (int i = 0; i < axis.outputs; ++i, out += Channels) {
    const int32_t* weights = &axis.weights[static_cast<size_t>(i) * axis.stride];
    const uint8_t* in = row + static_cast<ptrdiff_t>(axis.start[i]) * Channels;
    int32_t sums[Channels];
    std::fill(sums, sums + Channels, kHalf);
    for (int t = 0; t < axis.count[i]; ++t)
      for (int c = 0; c < Channels; ++c) sums[c] += in[t * Channels + c] * weights[t];
    for (int c = 0; c < Channels; ++c) out[c] = to_pixel(sums[c]);
  }
}

void across(const Axis& axis, const uint8_t* const* rows, int channels, uint8_t* const* out) {
  for (int r = 0; r < kRowsAtOnce; ++r) {
    if (r > 0 && out[r] == out[r - 1]) continue;
    channels == 3 ? across_row<3>(axis, rows[r], out[r]) : across_row<1>(axis, rows[r], out[r]);
  }
}

// Loops over columns inside, so that a compiler makes vector code of it on any machine.
void down(const Axis& axis, int index, const uint8_t* rows, ptrdiff_t stride, size_t nbytes,
          uint8_t* out) {
  constexpr size_t block = 256;
  const int32_t* weights = &axis.weights[static_cast<size_t>(index) * axis.stride];
  int32_t sums[block];
  for (size_t from = 0; from < nbytes; from += block) {
    const size_t length = std::min(block, nbytes - from);
    std::fill(sums, sums + length, kHalf);
    for (int t = 0; t < axis.count[index]; ++t) {
      const uint8_t* in = rows + t * stride + from;
      for (size_t x = 0; x < length; ++x) sums[x] += in[x] * weights[t];
    }
    for (size_t x = 0; x < length; ++x) out[from + x] = to_pixel(sums[x]);
  }
}

size_t row_extent(const Axis& axis, int channels) {
  return static_cast<size_t>(axis.last - axis.first) * channels;
}

}  // namespace

const ResizePasses kResizeScalar = {across, down, row_extent};

}  // namespace imnet
