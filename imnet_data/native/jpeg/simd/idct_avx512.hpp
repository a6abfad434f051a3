// The inverse DCT of jpeg/idct.hpp on two blocks at once with AVX-512, for the scans to inline.
#pragma once

#include "cpu/vectors_avx512.hpp"
#include "jpeg/idct.hpp"

#define IMNET_AVX512_INLINE IMNET_AVX512 __attribute__((always_inline)) static inline

namespace imnet {

// Coefficients times their quantisers, in the order of jpeg/idct.hpp.
struct Dequantised {
  __m512i upper, lower;  // pairs of rows (0, 4) and (2, 6); (7, 1) and (3, 5)
};

struct BlockTarget {
  uint8_t* out;
  ptrdiff_t stride;
};

IMNET_AVX512_INLINE __m512i dct_pairs(int first, int second) {
  return _mm512_set1_epi32(int(uint32_t(uint16_t(first)) | uint32_t(uint16_t(second)) << 16));
}

// Sixteen transforms, one in each 32-bit lane; out[i] before the shift.
IMNET_AVX512_INLINE void idct_lanes_avx512(__m512i in04, __m512i in26, __m512i in71, __m512i in35,
                                           int round, __m512i* out) {
  const __m512i rounding = _mm512_set1_epi32(round);
  const __m512i in40 = _mm512_ror_epi32(in04, 16);
  const __m512i scale = dct_pairs(1 << kDctBits, 0);
  const __m512i sum = _mm512_add_epi32(
      _mm512_madd_epi16(_mm512_add_epi16(in04, in40), scale), rounding);
  const __m512i difference = _mm512_add_epi32(
      _mm512_madd_epi16(_mm512_sub_epi16(in04, in40), scale), rounding);
  const __m512i even2 = _mm512_madd_epi16(in26, dct_pairs(kF0_541, kF0_541 - kF1_847));
  const __m512i even3 = _mm512_madd_epi16(in26, dct_pairs(kF0_541 + kF0_765, kF0_541));
  const __m512i even[4] = {_mm512_add_epi32(sum, even3), _mm512_add_epi32(difference, even2),
                           _mm512_sub_epi32(difference, even2), _mm512_sub_epi32(sum, even3)};

  const __m512i in34 = _mm512_add_epi16(in71, in35);
  const __m512i z3 = _mm512_madd_epi16(in34, dct_pairs(kF1_175 - kF1_961, kF1_175));
  const __m512i z4 = _mm512_madd_epi16(in34, dct_pairs(kF1_175, kF1_175 - kF0_390));
  const __m512i odd[4] = {
      _mm512_add_epi32(_mm512_madd_epi16(in71, dct_pairs(-kF0_899, kF1_501 - kF0_899)), z4),
      _mm512_add_epi32(_mm512_madd_epi16(in35, dct_pairs(kF3_072 - kF2_562, -kF2_562)), z3),
      _mm512_add_epi32(_mm512_madd_epi16(in35, dct_pairs(-kF2_562, kF2_053 - kF2_562)), z4),
      _mm512_add_epi32(_mm512_madd_epi16(in71, dct_pairs(kF0_298 - kF0_899, -kF0_899)), z3),
  };
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm512_add_epi32(even[i], odd[i]);
    out[7 - i] = _mm512_sub_epi32(even[i], odd[i]);
  }
}

// Whether the first pass may wrap: a value of row 0 is beyond +-kFirstPassLimit.
IMNET_AVX512_INLINE bool wraps(const Dequantised& block) {
  const __m256i row = _mm512_castsi512_si256(block.upper);
  const __m256i shifted = _mm256_add_epi16(row, _mm256_set1_epi16(kFirstPassLimit));
  return !_mm256_testz_si256(shifted, _mm256_set1_epi32(0xFFFF & -2 * kFirstPassLimit));
}

// Two rows of eight samples.
IMNET_AVX512_INLINE void store_rows(__m128i rows, uint8_t* out, ptrdiff_t stride) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(out), rows);
  _mm_storeh_pi(reinterpret_cast<__m64*>(out + stride), _mm_castsi128_ps(rows));
}

// Writes 8 rows of 8 samples of each block; neither of them wraps.
IMNET_AVX512_INLINE void idct_two_blocks(const Dequantised& a, const Dequantised& b,
                                         const BlockTarget& to_a, const BlockTarget& to_b) {
  __m512i lanes[8], pairs[4];
  // each input: of block a in the lower half, of block b in the upper one
  idct_lanes_avx512(_mm512_shuffle_i64x2(a.upper, b.upper, 0x44),
                    _mm512_shuffle_i64x2(a.upper, b.upper, 0xEE),
                    _mm512_shuffle_i64x2(a.lower, b.lower, 0x44),
                    _mm512_shuffle_i64x2(a.lower, b.lower, 0xEE), 1 << (kFirstShift - 1), lanes);
  for (int i = 0; i < 4; ++i)
    pairs[i] = _mm512_packs_epi32(_mm512_srai_epi32(lanes[i], kFirstShift),
                                  _mm512_srai_epi32(lanes[i + 4], kFirstShift));
  const __m512i upper01 = _mm512_unpacklo_epi32(pairs[0], pairs[1]);
  const __m512i upper23 = _mm512_unpacklo_epi32(pairs[2], pairs[3]);
  const __m512i lower01 = _mm512_unpackhi_epi32(pairs[0], pairs[1]);
  const __m512i lower23 = _mm512_unpackhi_epi32(pairs[2], pairs[3]);
  const __m512i upper_a = _mm512_unpacklo_epi64(upper01, upper23);
  const __m512i upper_b = _mm512_unpackhi_epi64(upper01, upper23);
  const __m512i lower_a = _mm512_unpacklo_epi64(lower01, lower23);
  const __m512i lower_b = _mm512_unpackhi_epi64(lower01, lower23);
  const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
  const __m512i second = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
  idct_lanes_avx512(_mm512_permutex2var_epi64(upper_a, first, lower_a),
                    _mm512_permutex2var_epi64(upper_b, first, lower_b),
                    _mm512_permutex2var_epi64(upper_a, second, lower_a),
                    _mm512_permutex2var_epi64(upper_b, second, lower_b), 1 << (kSecondShift - 1),
                    lanes);
  for (int i = 0; i < 4; ++i)
    pairs[i] = _mm512_packs_epi32(_mm512_srai_epi32(lanes[2 * i], kSecondShift),
                                  _mm512_srai_epi32(lanes[2 * i + 1], kSecondShift));
  const __m512i centre = _mm512_set1_epi8(-128);
  const __m512i turn = _mm512_broadcast_i32x4(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m512i left = _mm512_shuffle_epi8(
      _mm512_xor_si512(_mm512_packs_epi16(pairs[0], pairs[1]), centre), turn);
  const __m512i right = _mm512_shuffle_epi8(
      _mm512_xor_si512(_mm512_packs_epi16(pairs[2], pairs[3]), centre), turn);
  const __m512i rows0145 = _mm512_unpacklo_epi32(left, right);
  const __m512i rows2367 = _mm512_unpackhi_epi32(left, right);
  store_rows(_mm512_castsi512_si128(rows0145), to_a.out, to_a.stride);
  store_rows(_mm512_castsi512_si128(rows2367), to_a.out + 2 * to_a.stride, to_a.stride);
  store_rows(_mm512_extracti64x2_epi64(rows0145, 1), to_a.out + 4 * to_a.stride, to_a.stride);
  store_rows(_mm512_extracti64x2_epi64(rows2367, 1), to_a.out + 6 * to_a.stride, to_a.stride);
  store_rows(_mm512_extracti64x2_epi64(rows0145, 2), to_b.out, to_b.stride);
  store_rows(_mm512_extracti64x2_epi64(rows2367, 2), to_b.out + 2 * to_b.stride, to_b.stride);
  store_rows(_mm512_extracti64x2_epi64(rows0145, 3), to_b.out + 4 * to_b.stride, to_b.stride);
  store_rows(_mm512_extracti64x2_epi64(rows2367, 3), to_b.out + 6 * to_b.stride, to_b.stride);
}

}  // namespace imnet
