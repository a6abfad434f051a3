#include "jpeg/color.hpp"

#include <algorithm>

namespace imnet {
namespace {

constexpr int kHalf = 1 << 15;

uint8_t clamped(int value) { return uint8_t(std::clamp(value, 0, 255)); }

void ycc(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i, out += 3) {
    const int blue = cb[i] - 128, red = cr[i] - 128;
    out[0] = clamped(y[i] + ((kFix1_402 * red + kHalf) >> 16));
    out[1] = clamped(y[i] + ((-kFix0_344 * blue - kFix0_714 * red + kHalf) >> 16));
    out[2] = clamped(y[i] + ((kFix1_772 * blue + kHalf) >> 16));
  }
}

void rgb(const uint8_t* r, const uint8_t* g, const uint8_t* b, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i, out += 3) {
    out[0] = r[i];
    out[1] = g[i];
    out[2] = b[i];
  }
}

}  // namespace

const ColorRows kColorScalar = {ycc, rgb};

}  // namespace imnet
