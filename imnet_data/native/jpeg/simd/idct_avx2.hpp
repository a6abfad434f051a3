// The inverse DCT of jpeg/idct.hpp with AVX2, for the scans to inline.
#pragma once

#include <immintrin.h>

#include "cpu/features.hpp"
#include "jpeg/idct.hpp"

#define IMNET_AVX2_INLINE IMNET_AVX2 __attribute__((always_inline)) static inline

namespace imnet {

IMNET_AVX2_INLINE __m256i dct_pair(int first, int second) {
  return _mm256_set1_epi32(int(uint32_t(uint16_t(first)) | uint32_t(uint16_t(second)) << 16));
}

// Eight transforms, one in each 32-bit lane; out[i] before the shift.
IMNET_AVX2_INLINE void idct_lanes_avx2(__m256i in04, __m256i in26, __m256i in71, __m256i in35,
                                       int round, __m256i* out) {
  const __m256i rounding = _mm256_set1_epi32(round);
  const __m256i in40 = _mm256_shuffle_epi8(
      in04, _mm256_broadcastsi128_si256(
                _mm_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)));
  const __m256i scale = dct_pair(1 << kDctBits, 0);
  const __m256i sum = _mm256_add_epi32(
      _mm256_madd_epi16(_mm256_add_epi16(in04, in40), scale), rounding);
  const __m256i difference = _mm256_add_epi32(
      _mm256_madd_epi16(_mm256_sub_epi16(in04, in40), scale), rounding);
  const __m256i even2 = _mm256_madd_epi16(in26, dct_pair(kF0_541, kF0_541 - kF1_847));
  const __m256i even3 = _mm256_madd_epi16(in26, dct_pair(kF0_541 + kF0_765, kF0_541));
  const __m256i even[4] = {_mm256_add_epi32(sum, even3), _mm256_add_epi32(difference, even2),
                           _mm256_sub_epi32(difference, even2), _mm256_sub_epi32(sum, even3)};

  const __m256i in34 = _mm256_add_epi16(in71, in35);
  const __m256i z3 = _mm256_madd_epi16(in34, dct_pair(kF1_175 - kF1_961, kF1_175));
  const __m256i z4 = _mm256_madd_epi16(in34, dct_pair(kF1_175, kF1_175 - kF0_390));
  const __m256i odd[4] = {
      _mm256_add_epi32(_mm256_madd_epi16(in71, dct_pair(-kF0_899, kF1_501 - kF0_899)), z4),
      _mm256_add_epi32(_mm256_madd_epi16(in35, dct_pair(kF3_072 - kF2_562, -kF2_562)), z3),
      _mm256_add_epi32(_mm256_madd_epi16(in35, dct_pair(-kF2_562, kF2_053 - kF2_562)), z4),
      _mm256_add_epi32(_mm256_madd_epi16(in71, dct_pair(kF0_298 - kF0_899, -kF0_899)), z3),
  };
  for (int i = 0; i < 4; ++i) {
    out[i] = _mm256_add_epi32(even[i], odd[i]);
    out[7 - i] = _mm256_sub_epi32(even[i], odd[i]);
  }
}

// Whether the first pass may wrap: a value of row 0 is beyond +-kFirstPassLimit.
IMNET_AVX2_INLINE bool wraps_avx2(const int16_t* coefficients, const int16_t* quant) {
  const __m256i row = _mm256_mullo_epi16(
      _mm256_load_si256(reinterpret_cast<const __m256i*>(coefficients)),
      _mm256_load_si256(reinterpret_cast<const __m256i*>(quant)));
  const __m256i shifted = _mm256_add_epi16(row, _mm256_set1_epi16(kFirstPassLimit));
  // in pairs, row 0 comes first
  return !_mm256_testz_si256(shifted, _mm256_set1_epi32(0xFFFF & -2 * kFirstPassLimit));
}

IMNET_AVX2_INLINE void idct_block(int16_t* coefficients, const int16_t* quant, uint8_t* out,
                                  ptrdiff_t stride) {
  __m256i in[4], lanes[8], pairs[4];
  if (__builtin_expect(wraps_avx2(coefficients, quant), 0))
    return idct_scalar(coefficients, quant, out, stride);
  for (int i = 0; i < 4; ++i) {
    auto* const values = reinterpret_cast<__m256i*>(coefficients + 16 * i);
    in[i] = _mm256_mullo_epi16(
        _mm256_load_si256(values),
        _mm256_load_si256(reinterpret_cast<const __m256i*>(quant + 16 * i)));
    _mm256_store_si256(values, _mm256_setzero_si256());
  }
  idct_lanes_avx2(in[0], in[1], in[2], in[3], 1 << (kFirstShift - 1), lanes);

  // rows i and i + 4 side by side, already as the pairs of columns that the second pass takes
  for (int i = 0; i < 4; ++i)
    pairs[i] = _mm256_packs_epi32(_mm256_srai_epi32(lanes[i], kFirstShift),
                                  _mm256_srai_epi32(lanes[i + 4], kFirstShift));
  const __m256i upper01 = _mm256_unpacklo_epi32(pairs[0], pairs[1]);
  const __m256i upper23 = _mm256_unpacklo_epi32(pairs[2], pairs[3]);
  const __m256i lower01 = _mm256_unpackhi_epi32(pairs[0], pairs[1]);
  const __m256i lower23 = _mm256_unpackhi_epi32(pairs[2], pairs[3]);
  const __m256i upper_a = _mm256_unpacklo_epi64(upper01, upper23);  // columns (0, 4) | (7, 1)
  const __m256i upper_b = _mm256_unpackhi_epi64(upper01, upper23);  // columns (2, 6) | (3, 5)
  const __m256i lower_a = _mm256_unpacklo_epi64(lower01, lower23);
  const __m256i lower_b = _mm256_unpackhi_epi64(lower01, lower23);
  idct_lanes_avx2(_mm256_permute2x128_si256(upper_a, lower_a, 0x20),
                  _mm256_permute2x128_si256(upper_b, lower_b, 0x20),
                  _mm256_permute2x128_si256(upper_a, lower_a, 0x31),
                  _mm256_permute2x128_si256(upper_b, lower_b, 0x31), 1 << (kSecondShift - 1),
                  lanes);

  for (int i = 0; i < 4; ++i)
    pairs[i] = _mm256_packs_epi32(_mm256_srai_epi32(lanes[2 * i], kSecondShift),
                                  _mm256_srai_epi32(lanes[2 * i + 1], kSecondShift));
  const __m256i centre = _mm256_set1_epi8(-128);
  // each lane: 4 columns of 4 rows, turned into 4 rows of 4 columns
  const __m256i turn = _mm256_broadcastsi128_si256(
      _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  const __m256i left = _mm256_shuffle_epi8(
      _mm256_xor_si256(_mm256_packs_epi16(pairs[0], pairs[1]), centre), turn);
  const __m256i right = _mm256_shuffle_epi8(
      _mm256_xor_si256(_mm256_packs_epi16(pairs[2], pairs[3]), centre), turn);
  const __m256i rows0145 = _mm256_unpacklo_epi32(left, right);
  const __m256i rows2367 = _mm256_unpackhi_epi32(left, right);
  const __m128i rows[4] = {_mm256_castsi256_si128(rows0145), _mm256_castsi256_si128(rows2367),
                           _mm256_extracti128_si256(rows0145, 1),
                           _mm256_extracti128_si256(rows2367, 1)};
  for (int i = 0; i < 4; ++i, out += 2 * stride) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), rows[i]);
    _mm_storeh_pi(reinterpret_cast<__m64*>(out + stride), _mm_castsi128_ps(rows[i]));
  }
}

}  // namespace imnet
