// The loops over pixels; included once for each width of vectors, with its header and with
// IMNET_COLOR_NAME defined.
//
// The products do not fit 16 bits, so whole multiples are taken out of the constants first:
// 1.402 = 1 + 0.402, 1.772 = 2 - 0.228, 0.714 = 1 - 0.286. A rounded product is then
// (mulhi(2 * x, c) + 1) >> 1, as floor((floor(z) + 1) / 2) = floor((z + 1) / 2).

#include <cstring>

#include "jpeg/color.hpp"

namespace imnet {
namespace {

constexpr int kStep = kVectorBytes;

struct Rgb {
  Vector r, g, b;
};

IMNET_VECTOR_INLINE Vector rounded_product(Vector twice, int constant) {
  const Vector high = IMNET_MM(mulhi_epi16)(twice, IMNET_MM(set1_epi16)(short(constant)));
  return IMNET_MM(srai_epi16)(IMNET_MM(add_epi16)(high, IMNET_MM(set1_epi16)(1)), 1);
}

IMNET_VECTOR_INLINE Vector green_part(Vector pairs) {
  const Vector constants =
      IMNET_MM(set1_epi32)(int(uint32_t(uint16_t(-kFix0_344)) | uint32_t(65536 - kFix0_714) << 16));
  const Vector products = IMNET_MM(madd_epi16)(pairs, constants);
  return IMNET_MM(srai_epi32)(IMNET_MM(add_epi32)(products, IMNET_MM(set1_epi32)(1 << 15)), 16);
}

IMNET_VECTOR_INLINE Rgb convert(Vector y, Vector blue, Vector red) {
  const Vector twice_blue = IMNET_MM(add_epi16)(blue, blue);
  const Vector twice_red = IMNET_MM(add_epi16)(red, red);
  const Vector r = IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(y, red),
                                       rounded_product(twice_red, kFix1_402 - 65536));
  const Vector b = IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(y, twice_blue),
                                       rounded_product(twice_blue, kFix1_772 - 131072));
  const Vector green = IMNET_MM(packs_epi32)(green_part(IMNET_MM(unpacklo_epi16)(blue, red)),
                                             green_part(IMNET_MM(unpackhi_epi16)(blue, red)));
  return {r, IMNET_MM(add_epi16)(IMNET_MM(sub_epi16)(y, red), green), b};
}

IMNET_VECTOR_INLINE Vector spread(const Rgb& p, __m128i mr, __m128i mg, __m128i mb) {
  return either(either(IMNET_MM(shuffle_epi8)(p.r, in_each_lane(mr)),
                       IMNET_MM(shuffle_epi8)(p.g, in_each_lane(mg))),
                IMNET_MM(shuffle_epi8)(p.b, in_each_lane(mb)));
}

// each 128-bit lane holds 16 pixels, so 48 bytes next to each other
IMNET_VECTOR_INLINE void store_interleaved(const Rgb& p, uint8_t* out) {
  const __m128i r0 = _mm_setr_epi8(0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5);
  const __m128i g0 = _mm_setr_epi8(-1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1);
  const __m128i b0 = _mm_setr_epi8(-1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1);
  const __m128i r1 = _mm_setr_epi8(-1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1);
  const __m128i g1 = _mm_setr_epi8(5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10);
  const __m128i b1 = _mm_setr_epi8(-1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1);
  const __m128i r2 = _mm_setr_epi8(-1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1);
  const __m128i g2 = _mm_setr_epi8(-1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1);
  const __m128i b2 = _mm_setr_epi8(10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15);
  store_lanes_in_turn(out, spread(p, r0, g0, b0), spread(p, r1, g1, b1), spread(p, r2, g2, b2));
}

IMNET_VECTOR_INLINE Rgb convert_step(const uint8_t* y, const uint8_t* cb, const uint8_t* cr) {
  const Vector zero = zeros(), centre = IMNET_MM(set1_epi16)(128);
  const Vector lumas = load(y), blues = load(cb), reds = load(cr);
  const Rgb low = convert(IMNET_MM(unpacklo_epi8)(lumas, zero),
                          IMNET_MM(sub_epi16)(IMNET_MM(unpacklo_epi8)(blues, zero), centre),
                          IMNET_MM(sub_epi16)(IMNET_MM(unpacklo_epi8)(reds, zero), centre));
  const Rgb high = convert(IMNET_MM(unpackhi_epi8)(lumas, zero),
                           IMNET_MM(sub_epi16)(IMNET_MM(unpackhi_epi8)(blues, zero), centre),
                           IMNET_MM(sub_epi16)(IMNET_MM(unpackhi_epi8)(reds, zero), centre));
  return {IMNET_MM(packus_epi16)(low.r, high.r), IMNET_MM(packus_epi16)(low.g, high.g),
          IMNET_MM(packus_epi16)(low.b, high.b)};
}

IMNET_VECTOR_TARGET void ycc(const uint8_t* y, const uint8_t* cb, const uint8_t* cr, int count,
                             uint8_t* out) {
  int i = 0;
  for (; i + kStep <= count; i += kStep, out += 3 * kStep)
    store_interleaved(convert_step(y + i, cb + i, cr + i), out);
  if (i < count) {
    uint8_t rest[3 * kStep];
    store_interleaved(convert_step(y + i, cb + i, cr + i), rest);
    std::memcpy(out, rest, 3 * size_t(count - i));
  }
}

IMNET_VECTOR_TARGET void rgb(const uint8_t* r, const uint8_t* g, const uint8_t* b, int count,
                             uint8_t* out) {
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

const ColorRows IMNET_COLOR_NAME = {ycc, rgb};

}  // namespace imnet
