// Chroma upsampling as libjpeg-turbo does it ("fancy": a triangle filter), one row at a time.
//
// The filters read one sample before and one after the row; at the edges of the image these are
// copies of the edge, which has the same results as libjpeg's special cases for the first and the
// last column.
// Vector code may read and write up to kRowPadding bytes beyond the end of a row.
//
// Source: libjpeg-turbo, jdsample.c: h2v1, h1v2 and h2v2 fancy upsampling.
#pragma once

#include <cstddef>
#include <cstdint>

namespace imnet {

constexpr int kRowPadding = 64;

struct UpsampleRows {
  // makes 2 * count samples of `count`
  void (*h2)(const uint8_t* in, int count, uint8_t* out);
  // the same, from the row itself and the next one above or below
  void (*h2v2)(const uint8_t* near, const uint8_t* far, int count, uint8_t* out);
  // `count` samples; `bias` is 1 for the upper one of two rows and 2 for the lower one
  void (*v2)(const uint8_t* near, const uint8_t* far, int bias, int count, uint8_t* out);
};

extern const UpsampleRows kUpsampleScalar;
extern const UpsampleRows kUpsampleAvx2;
extern const UpsampleRows kUpsampleAvx512;
extern const UpsampleRows kUpsampleNeon;

// factor * count samples, each repeated: what libjpeg does for all other ratios.
void repeat_row(const uint8_t* in, int factor, int count, uint8_t* out);

}  // namespace imnet
