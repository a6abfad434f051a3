// Inverse DCT: the accurate integer method of libjpeg (jidctint, "islow"), bit for bit.
//
// As in libjpeg-turbo's SIMD code for x86, products with the quantiser and sums of two inputs wrap
// at 16 bits, and the result of the first pass saturates at 16 bits, or wraps where rows 1 to 7 are
// empty: this matters only for coefficients that no encoder makes (beyond +-8191 after
// dequantisation). Its code for ARM wraps where that for x86 saturates; that is not followed.
//
// Coefficients come in the order in which the vector code multiplies them: pairs of rows
// (0, 4), (2, 6), (7, 1), (3, 5), in each pair columns 0, 4, 2, 6, 7, 1, 3, 5. Any order costs the
// Huffman decoder the same, as it looks up each place.
//
// Source: Loeffler, Ligtenberg, Moschytz, ICASSP 1989; constants as in libjpeg, 13 bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace imnet {

// Distance of blocks in memory: 64 coefficients, then room for what belongs to no place.
constexpr int kBlockStride = 80;
constexpr int kNoPlace = 64;

namespace idct_layout {

constexpr std::array<uint8_t, 64> kZigzag = {  // natural place of the i-th coefficient
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

constexpr int place(int natural) {
  constexpr int pair[8] = {0, 33, 16, 48, 1, 49, 17, 32};
  constexpr int lane[8] = {0, 5, 2, 6, 1, 7, 3, 4};
  return pair[natural >> 3] + 2 * lane[natural & 7];
}

constexpr std::array<uint8_t, 64> natural_places() {
  std::array<uint8_t, 64> places{};
  for (int i = 0; i < 64; ++i) places[i] = uint8_t(place(i));
  return places;
}

// By position in the zigzag; from 128 on again, for positions with kEndOfBlock added.
constexpr std::array<uint8_t, 256> zigzag_places() {
  std::array<uint8_t, 256> places{};
  for (int i = 0; i < 256; ++i) {
    const int position = i & 127;
    places[i] = uint8_t(position < 64 ? place(kZigzag[position]) : kNoPlace);
  }
  return places;
}

}  // namespace idct_layout

constexpr std::array<uint8_t, 64> kNaturalPlaces = idct_layout::natural_places();
constexpr std::array<uint8_t, 256> kZigzagPlaces = idct_layout::zigzag_places();

constexpr int kDctBits = 13;
constexpr int kFirstPassBits = 2;
constexpr int kFirstShift = kDctBits - kFirstPassBits;
constexpr int kSecondShift = kDctBits + kFirstPassBits + 3;

enum DctConstant : int16_t {
  kF0_298 = 2446,
  kF0_390 = 3196,
  kF0_541 = 4433,
  kF0_765 = 6270,
  kF0_899 = 7373,
  kF1_175 = 9633,
  kF1_501 = 12299,
  kF1_847 = 15137,
  kF1_961 = 16069,
  kF2_053 = 16819,
  kF2_562 = 20995,
  kF3_072 = 25172,
};

// What the first pass takes without wrapping, of row 0.
constexpr int kFirstPassLimit = 8192;

// Writes 8 rows of 8 samples, and leaves the coefficients at 0; they and `quant` are aligned to 32.
using IdctFunction = void (*)(int16_t* coefficients, const int16_t* quant, uint8_t* out,
                              ptrdiff_t stride);

void idct_scalar(int16_t* coefficients, const int16_t* quant, uint8_t* out, ptrdiff_t stride);
void idct_avx2(int16_t* coefficients, const int16_t* quant, uint8_t* out, ptrdiff_t stride);
void idct_neon(int16_t* coefficients, const int16_t* quant, uint8_t* out, ptrdiff_t stride);

}  // namespace imnet
