// What vectors_avx2.hpp has, with vectors of 512 bits.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "cpu/features.hpp"

// GCC 12 takes the operand that its own intrinsics leave undefined for a mistake (its bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define IMNET_VECTOR_TARGET IMNET_AVX512
#define IMNET_VECTOR_INLINE IMNET_AVX512 __attribute__((always_inline)) static inline
#define IMNET_MM(name) _mm512_##name

namespace imnet {
namespace {

using Vector = __m512i;
constexpr int kVectorBytes = 64, kVectorLanes = 4;

IMNET_VECTOR_INLINE Vector load(const uint8_t* at) { return _mm512_loadu_si512(at); }

IMNET_VECTOR_INLINE void store(uint8_t* at, Vector value) { _mm512_storeu_si512(at, value); }

IMNET_VECTOR_INLINE Vector zeros() { return _mm512_setzero_si512(); }

IMNET_VECTOR_INLINE Vector either(Vector a, Vector b) { return _mm512_or_si512(a, b); }

IMNET_VECTOR_INLINE Vector in_each_lane(__m128i value) { return _mm512_broadcast_i32x4(value); }

IMNET_VECTOR_INLINE Vector load_lanes(const uint8_t* const* from, ptrdiff_t at) {
  const auto lane = [=](int i) { return reinterpret_cast<const __m128i*>(from[i] + at); };
  Vector lanes = _mm512_castsi128_si512(_mm_loadu_si128(lane(0)));
  lanes = _mm512_inserti32x4(lanes, _mm_loadu_si128(lane(1)), 1);
  lanes = _mm512_inserti32x4(lanes, _mm_loadu_si128(lane(2)), 2);
  return _mm512_inserti32x4(lanes, _mm_loadu_si128(lane(3)), 3);
}

template <int Index>
IMNET_VECTOR_INLINE __m128i lane_of(Vector value) {
  return _mm512_extracti32x4_epi32(value, Index);
}

IMNET_VECTOR_INLINE Vector load_wide(const uint8_t* at) {
  return _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}

IMNET_VECTOR_INLINE void store_narrow(uint8_t* at, Vector value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtepi16_epi8(value));
}

// a[i], b[j], c[k], a[l]
IMNET_VECTOR_INLINE Vector four_lanes(Vector a, Vector b, Vector c, int i, int j, int k, int l) {
  const Vector of_ab = _mm512_setr_epi64(2 * i, 2 * i + 1, 8 + 2 * j, 9 + 2 * j,  //
                                         0, 0, 2 * l, 2 * l + 1);
  const Vector with_c = _mm512_setr_epi64(0, 1, 2, 3, 8 + 2 * k, 9 + 2 * k, 6, 7);
  return _mm512_permutex2var_epi64(_mm512_permutex2var_epi64(a, of_ab, b), with_c, c);
}

IMNET_VECTOR_INLINE void store_lanes_in_turn(uint8_t* at, Vector a, Vector b, Vector c) {
  store(at, four_lanes(a, b, c, 0, 0, 0, 1));
  store(at + 64, four_lanes(b, c, a, 1, 1, 2, 2));
  store(at + 128, four_lanes(c, a, b, 2, 3, 3, 3));
}

}  // namespace
}  // namespace imnet
