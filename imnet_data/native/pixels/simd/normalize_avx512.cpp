#include "pixels/normalize.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include "cpu/features.hpp"

// GCC 12 takes the operand that its own intrinsics leave undefined for a mistake (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define IMNET_NORMALIZE_NAME normalize_avx512
#define IMNET_NORMALIZE_TARGET IMNET_AVX512
#define IMNET_NORMALIZE_INLINE IMNET_AVX512 __attribute__((always_inline)) static inline

namespace imnet {
namespace {

using Floats = __m512;
constexpr int kLanes = 16;

IMNET_NORMALIZE_INLINE Floats filled(float number) { return _mm512_set1_ps(number); }
IMNET_NORMALIZE_INLINE Floats loaded(const float* numbers) { return _mm512_loadu_ps(numbers); }
IMNET_NORMALIZE_INLINE Floats difference(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
IMNET_NORMALIZE_INLINE Floats product(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
IMNET_NORMALIZE_INLINE Floats sum_with_product(Floats sum, Floats a, Floats b) {
  return _mm512_fmadd_ps(a, b, sum);
}

IMNET_NORMALIZE_INLINE Floats samples_in_a_row(const uint8_t* bytes, int part) {
  const auto* at = reinterpret_cast<const __m128i*>(bytes + 16 * part);
  return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(at)));
}

IMNET_NORMALIZE_INLINE Floats samples_of_channel(const uint8_t* bytes, int channel) {
  const __m512i sixteen = _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0),  // four pixels a lane
      _mm512_maskz_loadu_epi32(0x0FFF, bytes));
  const __m128i first = _mm_setr_epi8(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
  const __m128i at = _mm_add_epi32(first, _mm_set1_epi32(channel));
  return _mm512_cvtepi32_ps(_mm512_shuffle_epi8(sixteen, _mm512_broadcast_i32x4(at)));
}

template <NumberType type>
IMNET_NORMALIZE_INLINE void store(float* out, Floats numbers) {
  _mm512_storeu_ps(out, numbers);
}

template <NumberType type>
IMNET_NORMALIZE_INLINE void store(uint16_t* out, Floats numbers) {
  __m256i shorter;
  if (type == NumberType::float16) {
    shorter = _mm512_cvtps_ph(numbers, _MM_FROUND_TO_NEAREST_INT);
  } else {
    const __m512i bits = _mm512_castps_si512(numbers);
    const __m512i is_odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i half = _mm512_add_epi32(_mm512_set1_epi32(0x7FFF), is_odd);
    shorter = _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_add_epi32(bits, half), 16));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), shorter);
}

}  // namespace
}  // namespace imnet

#include "pixels/normalize_loop.hpp"

#endif
