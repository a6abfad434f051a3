// The inner loops of a resize, one set for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "resize/axis.hpp"

namespace imnet {

constexpr int kRowsAtOnce = 4;

struct ResizePasses {
  // Resizes kRowsAtOnce rows; a pointer may occur more than once.
  void (*across)(const Axis& axis, const uint8_t* const* rows, int channels, uint8_t* const* out);
  // Output row `index` of `nbytes` bytes; `rows` is the input row axis.start[index].
  void (*down)(const Axis& axis, int index, const uint8_t* rows, ptrdiff_t stride, size_t nbytes,
               uint8_t* out);
  // How many bytes from the start of a row `across` may read.
  size_t (*row_extent)(const Axis& axis, int channels);
};

// For an `across` that loads 16 bytes for every four taps.
inline size_t row_extent_by_four(const Axis& axis, int channels) {
  const size_t last_load = static_cast<size_t>(axis.taps - 1) / 4 * 12;
  return static_cast<size_t>(axis.last_start) * channels + last_load + 16;
}

// Calls `run` with the number of pairs of taps as a constant, 0 where there are many.
template <class Run>
void with_pairs(int taps, Run run) {
  switch ((taps + 1) / 2) {
    case 1: return run(std::integral_constant<int, 1>());
    case 2: return run(std::integral_constant<int, 2>());
    case 3: return run(std::integral_constant<int, 3>());
    case 4: return run(std::integral_constant<int, 4>());
    default: return run(std::integral_constant<int, 0>());
  }
}

extern const ResizePasses kResizeScalar;
extern const ResizePasses kResizeAvx2;
extern const ResizePasses kResizeAvx512;
extern const ResizePasses kResizeNeon;

}  // namespace imnet
