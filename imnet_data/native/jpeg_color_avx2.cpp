// The products do not fit 16 bits, so whole multiples are taken out of the constants first:
// 1.402 = 1 + 0.402, 1.772 = 2 - 0.228, 0.714 = 1 - 0.286. A rounded product is then
// (mulhi(2 * x, c) + 1) >> 1, as floor((floor(z) + 1) / 2) = floor((z + 1) / 2).

#include "jpeg_color.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace imnet {
namespace {

constexpr int kStep = 32;

struct Rgb {
  __m256i r, g, b;
};

AVX2_INLINE __m256i rounded_product(__m256i twice, int constant) {
  const __m256i high = _mm256_mulhi_epi16(twice, _mm256_set1_epi16(short(constant)));
  return _mm256_srai_epi16(_mm256_add_epi16(high, _mm256_set1_epi16(1)), 1);
}

AVX2_INLINE __m256i green_part(__m256i pairs) {
  const __m256i constants =
      _mm256_set1_epi32(int(uint32_t(uint16_t(-kFix0_344)) | uint32_t(65536 - kFix0_714) << 16));
  return _mm256_srai_epi32(
      _mm256_add_epi32(_mm256_madd_epi16(pairs, constants), _mm256_set1_epi32(1 << 15)), 16);
}

AVX2_INLINE Rgb convert(__m256i y, __m256i blue, __m256i red) {
  const __m256i twice_blue = _mm256_add_epi16(blue, blue), twice_red = _mm256_add_epi16(red, red);
  const __m256i r =
      _mm256_add_epi16(_mm256_add_epi16(y, red), rounded_product(twice_red, kFix1_402 - 65536));
  const __m256i b = _mm256_add_epi16(_mm256_add_epi16(y, twice_blue),
                                     rounded_product(twice_blue, kFix1_772 - 131072));
  const __m256i green = _mm256_packs_epi32(green_part(_mm256_unpacklo_epi16(blue, red)),
                                           green_part(_mm256_unpackhi_epi16(blue, red)));
  return {r, _mm256_add_epi16(_mm256_sub_epi16(y, red), green), b};
}

AVX2_INLINE __m256i load(const uint8_t* bytes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes));
}

AVX2_INLINE __m256i spread(__m256i r, __m256i g, __m256i b, __m128i mr, __m128i mg, __m128i mb) {
  return _mm256_or_si256(
      _mm256_or_si256(_mm256_shuffle_epi8(r, _mm256_broadcastsi128_si256(mr)),
                      _mm256_shuffle_epi8(g, _mm256_broadcastsi128_si256(mg))),
      _mm256_shuffle_epi8(b, _mm256_broadcastsi128_si256(mb)));
}

// 96 bytes; each 128-bit lane holds 16 pixels, so 48 bytes next to each other
AVX2_INLINE void store_interleaved(const Rgb& p, uint8_t* out) {
  const __m128i r0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
  const __m128i g0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
  const __m128i b0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
  const __m128i r1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
  const __m128i g1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
  const __m128i b1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
  const __m128i r2 = _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
  const __m128i g2 = _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
  const __m128i b2 = _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
  const __m256i a = spread(p.r, p.g, p.b, r0, g0, b0);
  const __m256i b = spread(p.r, p.g, p.b, r1, g1, b1);
  const __m256i c = spread(p.r, p.g, p.b, r2, g2, b2);
  auto* to = reinterpret_cast<__m256i*>(out);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(a, b, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(c, a, 0x30));
  _mm256_storeu_si256(to + 2, _mm256_permute2x128_si256(b, c, 0x31));
}

AVX2_INLINE Rgb convert_step(const uint8_t* y, const uint8_t* cb, const uint8_t* cr) {
  const __m256i zero = _mm256_setzero_si256(), centre = _mm256_set1_epi16(128);
  const __m256i lumas = load(y), blues = load(cb), reds = load(cr);
  const Rgb low = convert(_mm256_unpacklo_epi8(lumas, zero),
                          _mm256_sub_epi16(_mm256_unpacklo_epi8(blues, zero), centre),
                          _mm256_sub_epi16(_mm256_unpacklo_epi8(reds, zero), centre));
  const Rgb high = convert(_mm256_unpackhi_epi8(lumas, zero),
                           _mm256_sub_epi16(_mm256_unpackhi_epi8(blues, zero), centre),
                           _mm256_sub_epi16(_mm256_unpackhi_epi8(reds, zero), centre));
  return {_mm256_packus_epi16(low.r, high.r), _mm256_packus_epi16(low.g, high.g),
          _mm256_packus_epi16(low.b, high.b)};
}

AVX2 void ycc(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count, uint8_t* out) {
  int i = 0;
  for (; i + kStep <= count; i += kStep, out += 3 * kStep)
    store_interleaved(convert_step(y + i, cb + i, cr + i), out);
  if (i < count) {
    uint8_t rest[3 * kStep];
    store_interleaved(convert_step(y + i, cb + i, cr + i), rest);
    std::memcpy(out, rest, 3 * size_t(count - i));
  }
}

AVX2 void rgb(const uint8_t* r, const uint8_t* g, const uint8_t* b, int count, uint8_t* out) {
  int i = 0;
  for (; i + kStep <= count; i += kStep, out += 3 * kStep)
    store_interleaved({load(r + i), load(g + i), load(b + i)}, out);
  if (i < count) {
    uint8_t rest[3 * kStep];
    store_interleaved({load(r + i), load(g + i), load(b + i)}, rest);
    std::memcpy(out, rest, 3 * size_t(count - i));
  }
}

}  // namespace

const ColorRows kColorAvx2 = {ycc, rgb};

}  // namespace imnet

#endif
