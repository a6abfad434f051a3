#include "jpeg_upsample.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace imnet {
namespace {

constexpr int kStep = 16;

AVX2_INLINE __m256i wide(const uint8_t* samples) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(samples)));
}

AVX2_INLINE __m256i thrice(__m256i value) {
  return _mm256_add_epi16(_mm256_add_epi16(value, value), value);
}

// even and odd samples are the low and high bytes of 16-bit numbers
AVX2_INLINE void store_pairs(uint8_t* out, __m256i even, __m256i odd) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                      _mm256_or_si256(even, _mm256_slli_epi16(odd, 8)));
}

AVX2 void h2(const uint8_t* in, int count, uint8_t* out) {
  const __m256i one = _mm256_set1_epi16(1), two = _mm256_set1_epi16(2);
  for (int i = 0; i < count; i += kStep) {
    const __m256i here = thrice(wide(in + i));
    const __m256i even = _mm256_add_epi16(_mm256_add_epi16(here, one), wide(in + i - 1));
    const __m256i odd = _mm256_add_epi16(_mm256_add_epi16(here, two), wide(in + i + 1));
    store_pairs(out + 2 * i, _mm256_srli_epi16(even, 2), _mm256_srli_epi16(odd, 2));
  }
}

AVX2_INLINE __m256i column_sums(const uint8_t* near, const uint8_t* far) {
  return _mm256_add_epi16(thrice(wide(near)), wide(far));
}

AVX2 void h2v2(const uint8_t* near, const uint8_t* far, int count, uint8_t* out) {
  const __m256i seven = _mm256_set1_epi16(7), eight = _mm256_set1_epi16(8);
  for (int i = 0; i < count; i += kStep) {
    const __m256i here = thrice(column_sums(near + i, far + i));
    const __m256i before = column_sums(near + i - 1, far + i - 1);
    const __m256i after = column_sums(near + i + 1, far + i + 1);
    const __m256i even = _mm256_add_epi16(_mm256_add_epi16(here, eight), before);
    const __m256i odd = _mm256_add_epi16(_mm256_add_epi16(here, seven), after);
    store_pairs(out + 2 * i, _mm256_srli_epi16(even, 4), _mm256_srli_epi16(odd, 4));
  }
}

AVX2 void v2(const uint8_t* near, const uint8_t* far, int bias, int count, uint8_t* out) {
  const __m256i biases = _mm256_set1_epi16(short(bias));
  for (int i = 0; i < count; i += kStep) {
    const __m256i sums = _mm256_add_epi16(column_sums(near + i, far + i), biases);
    const __m256i shifted = _mm256_srli_epi16(sums, 2);
    const __m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(shifted),
                                            _mm256_extracti128_si256(shifted, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), packed);
  }
}

}  // namespace

const UpsampleRows kUpsampleAvx2 = {h2, h2v2, v2};

}  // namespace imnet

#endif
