// Vectors of 256 bits for the loops that vectors_avx512.hpp has vectors of 512 bits for: intrinsics
// that work within lanes of 128 bits differ by their prefix only, the others have a name here.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "cpu/features.hpp"

#define IMNET_VECTOR_TARGET IMNET_AVX2
#define IMNET_VECTOR_INLINE IMNET_AVX2 __attribute__((always_inline)) static inline
#define IMNET_MM(name) _mm256_##name

namespace imnet {
namespace {

using Vector = __m256i;
constexpr int kVectorBytes = 32, kVectorLanes = 2;

IMNET_VECTOR_INLINE Vector load(const uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const Vector*>(at));
}

IMNET_VECTOR_INLINE void store(uint8_t* at, Vector value) {
  _mm256_storeu_si256(reinterpret_cast<Vector*>(at), value);
}

IMNET_VECTOR_INLINE Vector zeros() { return _mm256_setzero_si256(); }

IMNET_VECTOR_INLINE Vector either(Vector a, Vector b) { return _mm256_or_si256(a, b); }

IMNET_VECTOR_INLINE Vector in_each_lane(__m128i value) {
  return _mm256_broadcastsi128_si256(value);
}

// 16 bytes for each lane, each from its own place.
IMNET_VECTOR_INLINE Vector load_lanes(const uint8_t* const* from, ptrdiff_t at) {
  const auto lane = [=](int i) { return reinterpret_cast<const __m128i*>(from[i] + at); };
  return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(lane(0))),
                                 _mm_loadu_si128(lane(1)), 1);
}

template <int Index>
IMNET_VECTOR_INLINE __m128i lane_of(Vector value) {
  return _mm256_extracti128_si256(value, Index);
}

// Half as many bytes as a vector has, as 16-bit numbers, and back.
IMNET_VECTOR_INLINE Vector load_wide(const uint8_t* at) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

IMNET_VECTOR_INLINE void store_narrow(uint8_t* at, Vector value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at),
                   _mm_packus_epi16(lane_of<0>(value), lane_of<1>(value)));
}

// The lanes of three vectors in turn: a[0], b[0], c[0], a[1], ...
IMNET_VECTOR_INLINE void store_lanes_in_turn(uint8_t* at, Vector a, Vector b, Vector c) {
  store(at, _mm256_permute2x128_si256(a, b, 0x20));
  store(at + 32, _mm256_permute2x128_si256(c, a, 0x30));
  store(at + 64, _mm256_permute2x128_si256(b, c, 0x31));
}

}  // namespace
}  // namespace imnet
