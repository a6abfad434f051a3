// Rows of samples to rows of RGB, as libjpeg: 16-bit fixed point, rounded, clamped.
//
// Inputs may be read up to 64 bytes beyond the end of a row; outputs are written exactly.
// Source: JFIF 1.02, "Conversion to and from RGB"; constants as in libjpeg's jdcolor.c.
#pragma once

#include <cstdint>

namespace imnet {

struct ColorRows {
  void (*ycc)(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* out);
  void (*rgb)(const uint8_t* r, const uint8_t* g, const uint8_t* b, int count, uint8_t* out);
};

extern const ColorRows kColorScalar;
extern const ColorRows kColorAvx2;
extern const ColorRows kColorAvx512;
extern const ColorRows kColorNeon;

constexpr int kFix1_402 = 91881, kFix1_772 = 116130, kFix0_714 = 46802, kFix0_344 = 22554;

}  // namespace imnet
