// The constants do not fit 16 bits, so whole multiples are taken out of them first:
// 1.402 = 1 + 0.402, 1.772 = 2 - 0.228, 0.714 = 1 - 0.286.

#include "jpeg/color.hpp"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <cstddef>
#include <cstring>

namespace imnet {
namespace {

constexpr int kStep = 16;

int16x8_t rounded(int32x4_t low, int32x4_t high) {
  return vrshrn_high_n_s32(vrshrn_n_s32(low, 16), high, 16);
}

int16x8_t rounded_product(int16x8_t value, int16_t constant) {
  return rounded(vmull_n_s16(vget_low_s16(value), constant), vmull_high_n_s16(value, constant));
}

uint8x8x3_t convert(int16x8_t y, int16x8_t blue, int16x8_t red) {
  constexpr int16_t kBlue = -kFix0_344, kRed = 65536 - kFix0_714;
  const int16x8_t r =
      vaddq_s16(vaddq_s16(y, red), rounded_product(red, kFix1_402 - 65536));
  const int16x8_t b = vaddq_s16(vaddq_s16(y, vaddq_s16(blue, blue)),
                                rounded_product(blue, kFix1_772 - 131072));
  const int16x8_t green = rounded(
      vmlal_n_s16(vmull_n_s16(vget_low_s16(blue), kBlue), vget_low_s16(red), kRed),
      vmlal_high_n_s16(vmull_high_n_s16(blue, kBlue), red, kRed));
  const int16x8_t g = vaddq_s16(vsubq_s16(y, red), green);
  return {vqmovun_s16(r), vqmovun_s16(g), vqmovun_s16(b)};
}

int16x8_t wide(uint8x8_t samples) { return vreinterpretq_s16_u16(vmovl_u8(samples)); }

int16x8_t centred(uint8x8_t samples) {
  return vreinterpretq_s16_u16(vsubl_u8(samples, vdup_n_u8(128)));
}

uint8x16x3_t ycc_step(const uint8_t* y, const uint8_t* cb, const uint8_t* cr) {
  const uint8x16_t lumas = vld1q_u8(y), blues = vld1q_u8(cb), reds = vld1q_u8(cr);
  const uint8x8x3_t low = convert(wide(vget_low_u8(lumas)), centred(vget_low_u8(blues)),
                                  centred(vget_low_u8(reds)));
  const uint8x8x3_t high = convert(wide(vget_high_u8(lumas)), centred(vget_high_u8(blues)),
                                   centred(vget_high_u8(reds)));
  return {vcombine_u8(low.val[0], high.val[0]), vcombine_u8(low.val[1], high.val[1]),
          vcombine_u8(low.val[2], high.val[2])};
}

uint8x16x3_t rgb_step(const uint8_t* r, const uint8_t* g, const uint8_t* b) {
  return {vld1q_u8(r), vld1q_u8(g), vld1q_u8(b)};
}

template <uint8x16x3_t (*Step)(const uint8_t*, const uint8_t*, const uint8_t*)>
void convert_row(const uint8_t* a, const uint8_t* b, const uint8_t* c, int count, uint8_t* out) {
  int i = 0;
  for (; i + kStep <= count; i += kStep, out += 3 * kStep)
    vst3q_u8(out, Step(a + i, b + i, c + i));
  if (i < count) {
    uint8_t rest[3 * kStep];
    vst3q_u8(rest, Step(a + i, b + i, c + i));
    std::memcpy(out, rest, 3 * size_t(count - i));
  }
}

}  // namespace

const ColorRows kColorNeon = {convert_row<ycc_step>, convert_row<rgb_step>};

}  // namespace imnet

#endif
