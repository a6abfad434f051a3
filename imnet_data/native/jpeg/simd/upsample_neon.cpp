#include "jpeg/upsample.hpp"

#if defined(__aarch64__)

#include <arm_neon.h>

namespace imnet {
namespace {

constexpr int kStep = 8;

void store_pairs(uint8_t* out, uint8x8_t even, uint8x8_t odd) {
  const uint8x8x2_t pairs = {{even, odd}};
  vst2_u8(out, pairs);
}

void h2(const uint8_t* in, int count, uint8_t* out) {
  const uint8x8_t three = vdup_n_u8(3);
  const uint16x8_t one = vdupq_n_u16(1);
  for (int i = 0; i < count; i += kStep) {
    const uint16x8_t here = vmull_u8(vld1_u8(in + i), three);
    const uint16x8_t even = vaddq_u16(vaddw_u8(here, vld1_u8(in + i - 1)), one);
    const uint16x8_t odd = vaddw_u8(here, vld1_u8(in + i + 1));
    store_pairs(out + 2 * i, vshrn_n_u16(even, 2), vrshrn_n_u16(odd, 2));
  }
}

uint16x8_t column_sums(const uint8_t* near, const uint8_t* far) {
  return vaddw_u8(vmull_u8(vld1_u8(near), vdup_n_u8(3)), vld1_u8(far));
}

void h2v2(const uint8_t* near, const uint8_t* far, int count, uint8_t* out) {
  const uint16x8_t seven = vdupq_n_u16(7);
  for (int i = 0; i < count; i += kStep) {
    const uint16x8_t here = vmulq_n_u16(column_sums(near + i, far + i), 3);
    const uint16x8_t even = vaddq_u16(here, column_sums(near + i - 1, far + i - 1));
    const uint16x8_t odd =
        vaddq_u16(vaddq_u16(here, seven), column_sums(near + i + 1, far + i + 1));
    store_pairs(out + 2 * i, vrshrn_n_u16(even, 4), vshrn_n_u16(odd, 4));
  }
}

void v2(const uint8_t* near, const uint8_t* far, int bias, int count, uint8_t* out) {
  const uint16x8_t biases = vdupq_n_u16(uint16_t(bias));
  for (int i = 0; i < count; i += kStep)
    vst1_u8(out + i, vshrn_n_u16(vaddq_u16(column_sums(near + i, far + i), biases), 2));
}

}  // namespace

const UpsampleRows kUpsampleNeon = {h2, h2v2, v2};

}  // namespace imnet

#endif
