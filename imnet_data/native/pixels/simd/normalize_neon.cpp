#include "pixels/normalize.hpp"

#if defined(__aarch64__)

#include <arm_neon.h>

#define IMNET_NORMALIZE_NAME normalize_neon
#define IMNET_NORMALIZE_TARGET
#define IMNET_NORMALIZE_INLINE __attribute__((always_inline)) static inline

namespace imnet {
namespace {

using Floats = float32x4_t;
constexpr int kLanes = 4;

IMNET_NORMALIZE_INLINE Floats filled(float number) { return vdupq_n_f32(number); }
IMNET_NORMALIZE_INLINE Floats loaded(const float* numbers) { return vld1q_f32(numbers); }
IMNET_NORMALIZE_INLINE Floats difference(Floats a, Floats b) { return vsubq_f32(a, b); }
IMNET_NORMALIZE_INLINE Floats product(Floats a, Floats b) { return vmulq_f32(a, b); }
IMNET_NORMALIZE_INLINE Floats sum_with_product(Floats sum, Floats a, Floats b) {
  return vfmaq_f32(sum, a, b);
}

// Four of sixteen bytes, `step` apart.
IMNET_NORMALIZE_INLINE Floats samples(const uint8_t* bytes, uint32_t from, uint32_t step) {
  const uint32_t first = 0xFFFFFF00 + from;  // there is no byte 255, which gives 0
  const uint32_t places[4] = {first, first + step, first + 2 * step, first + 3 * step};
  const uint8x16_t at = vreinterpretq_u8_u32(vld1q_u32(places));
  return vcvtq_f32_u32(vreinterpretq_u32_u8(vqtbl1q_u8(vld1q_u8(bytes), at)));
}

IMNET_NORMALIZE_INLINE Floats samples_in_a_row(const uint8_t* bytes, int part) {
  return samples(bytes, uint32_t(4 * part), 1);
}

IMNET_NORMALIZE_INLINE Floats samples_of_channel(const uint8_t* bytes, int channel) {
  return samples(bytes, uint32_t(channel), 3);
}

template <NumberType type>
IMNET_NORMALIZE_INLINE void store(float* out, Floats numbers) {
  vst1q_f32(out, numbers);
}

template <NumberType type>
IMNET_NORMALIZE_INLINE void store(uint16_t* out, Floats numbers) {
  if (type == NumberType::float16) {
    vst1_u16(out, vreinterpret_u16_f16(vcvt_f16_f32(numbers)));
  } else {
    const uint32x4_t bits = vreinterpretq_u32_f32(numbers);
    const uint32x4_t is_odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t half = vaddq_u32(vdupq_n_u32(0x7FFF), is_odd);
    vst1_u16(out, vshrn_n_u32(vaddq_u32(bits, half), 16));
  }
}

}  // namespace
}  // namespace imnet

#include "pixels/normalize_loop.hpp"

#endif
