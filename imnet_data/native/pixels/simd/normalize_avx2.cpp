#include "pixels/normalize.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include "cpu/features.hpp"

#define IMNET_NORMALIZE_NAME normalize_avx2
#define IMNET_NORMALIZE_TARGET IMNET_AVX2
#define IMNET_NORMALIZE_INLINE IMNET_AVX2 __attribute__((always_inline)) static inline

namespace imnet {
namespace {

using Floats = __m256;
constexpr int kLanes = 8;

IMNET_NORMALIZE_INLINE Floats filled(float number) { return _mm256_set1_ps(number); }
IMNET_NORMALIZE_INLINE Floats loaded(const float* numbers) { return _mm256_loadu_ps(numbers); }
IMNET_NORMALIZE_INLINE Floats difference(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
IMNET_NORMALIZE_INLINE Floats product(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
IMNET_NORMALIZE_INLINE Floats sum_with_product(Floats sum, Floats a, Floats b) {
  return _mm256_fmadd_ps(a, b, sum);
}

IMNET_NORMALIZE_INLINE Floats samples_in_a_row(const uint8_t* bytes, int part) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + 8 * part));
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(eight));
}

IMNET_NORMALIZE_INLINE Floats samples_of_channel(const uint8_t* bytes, int channel) {
  const auto pixels = [bytes](int from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 3 * from));
  };
  const __m256i eight = _mm256_inserti128_si256(_mm256_castsi128_si256(pixels(0)), pixels(4), 1);
  const __m256i first = _mm256_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1,
                                         0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
  const __m256i at = _mm256_add_epi32(first, _mm256_set1_epi32(channel));
  return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(eight, at));
}

template <NumberType type>
IMNET_NORMALIZE_INLINE void store(float* out, Floats numbers) {
  _mm256_storeu_ps(out, numbers);
}

template <NumberType type>
IMNET_NORMALIZE_INLINE void store(uint16_t* out, Floats numbers) {
  __m128i shorter;
  if (type == NumberType::float16) {
    shorter = _mm256_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT);
  } else {
    const __m256i bits = _mm256_castps_si256(numbers);
    const __m256i is_odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i half = _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), is_odd);
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    shorter = _mm_packus_epi32(_mm256_castsi256_si128(rounded),
                               _mm256_extracti128_si256(rounded, 1));
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), shorter);
}

}  // namespace
}  // namespace imnet

#include "pixels/normalize_loop.hpp"

#endif
