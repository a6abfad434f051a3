// All arithmetic is modulo 2**32, as in the scalar code, so the result is the same for any weights.

#include "resize/passes.hpp"

#if defined(__aarch64__)

#include <arm_neon.h>

#include <algorithm>
#include <cstring>

namespace imnet {
namespace {

constexpr int kOutputsAtOnce = 4;

int32x4_t half() { return vdupq_n_s32(1 << (kWeightBits - 1)); }

// Four times four sums to pixels.
uint8x16_t to_pixels(const int32x4_t* sums) {
  int16x4_t pixels[4];
  for (int i = 0; i < 4; ++i) pixels[i] = vqmovn_s32(vshrq_n_s32(sums[i], kWeightBits));
  return vqmovun_high_s16(vqmovun_s16(vcombine_s16(pixels[0], pixels[1])),
                          vcombine_s16(pixels[2], pixels[3]));
}

// Byte `tap` of RGB pixels in each of three 32-bit lanes; indices past the end select 0.
uint8x16_t tap_lanes(int tap) {
  const uint8_t a = uint8_t(3 * tap), b = a + 1, c = a + 2, z = 255;
  return uint8x16_t{a, z, z, z, b, z, z, z, c, z, z, z, z, z, z, z};
}

int32x4_t tap_of(uint8x16_t pixels, int tap) {
  return vreinterpretq_s32_u8(vqtbl1q_u8(pixels, tap_lanes(tap)));
}

// One output pixel of four rows.
template <int Pairs>
void four_rows(const uint8_t* const* rows, ptrdiff_t at, const int32_t* weights, int pair_count,
               int32x4_t* sums) {
  for (int r = 0; r < kRowsAtOnce; ++r) sums[r] = half();
  const int pairs = Pairs > 0 ? Pairs : pair_count;
#pragma GCC unroll 8
  for (int p = 0; p < pairs; p += 2, at += 12, weights += 4) {
    uint8x16_t pixels[kRowsAtOnce];
    for (int r = 0; r < kRowsAtOnce; ++r) pixels[r] = vld1q_u8(rows[r] + at);
    for (int r = 0; r < kRowsAtOnce; ++r) {
      sums[r] = vmlaq_n_s32(sums[r], tap_of(pixels[r], 0), weights[0]);
      sums[r] = vmlaq_n_s32(sums[r], tap_of(pixels[r], 1), weights[1]);
    }
    if (p + 1 == pairs) break;
    for (int r = 0; r < kRowsAtOnce; ++r) {
      sums[r] = vmlaq_n_s32(sums[r], tap_of(pixels[r], 2), weights[2]);
      sums[r] = vmlaq_n_s32(sums[r], tap_of(pixels[r], 3), weights[3]);
    }
  }
}

// Stores four RGB pixels: 12 bytes, or 16 where there is room.
void store(const int32x4_t* sums, bool room, uint8_t* out) {
  const uint8x16_t close = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 255, 255, 255, 255};
  const uint8x16_t closed = vqtbl1q_u8(to_pixels(sums), close);
  if (room) {
    vst1q_u8(out, closed);
  } else {
    vst1_u8(out, vget_low_u8(closed));
    const uint32_t rest = vgetq_lane_u32(vreinterpretq_u32_u8(closed), 2);
    std::memcpy(out + 8, &rest, sizeof rest);
  }
}

template <int Pairs>
void across_rgb(const Axis& axis, const uint8_t* const* rows, uint8_t* const* out) {
  for (int done = 0; done < axis.outputs; done += kOutputsAtOnce) {
    // the last step repeats some outputs rather than go past the end
    const int from = std::min(done, axis.outputs - kOutputsAtOnce);
    int32x4_t sums[kRowsAtOnce][kOutputsAtOnce];
    for (int k = 0; k < kOutputsAtOnce; ++k) {
      const int i = from + k;
      int32x4_t of_rows[kRowsAtOnce];
      four_rows<Pairs>(rows, static_cast<ptrdiff_t>(axis.start[i]) * 3,
                       &axis.weights[static_cast<size_t>(i) * axis.stride], (axis.taps + 1) / 2,
                       of_rows);
      for (int r = 0; r < kRowsAtOnce; ++r) sums[r][k] = of_rows[r];
    }
    const bool room = from + 6 <= axis.outputs;  // 16 bytes are five pixels and a third
    for (int r = 0; r < kRowsAtOnce; ++r) store(sums[r], room, out[r] + from * 3);
  }
}

void across(const Axis& axis, const uint8_t* const* rows, int channels, uint8_t* const* out) {
  if (channels != 3 || axis.outputs < kOutputsAtOnce)
    return kResizeScalar.across(axis, rows, channels, out);
  with_pairs(axis.taps, [&](auto pairs) { across_rgb<pairs()>(axis, rows, out); });
}

// 16 columns of one output row.
void block_down(const int32_t* weights, const uint8_t* rows, ptrdiff_t stride, int count,
                uint8_t* out) {
  int32x4_t sums[4] = {half(), half(), half(), half()};
  for (int t = 0; t < count; ++t) {
    const uint8x16_t pixels = vld1q_u8(rows + t * stride);
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(pixels)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(pixels));
    sums[0] = vmlaq_n_s32(sums[0], vmovl_s16(vget_low_s16(low)), weights[t]);
    sums[1] = vmlaq_n_s32(sums[1], vmovl_high_s16(low), weights[t]);
    sums[2] = vmlaq_n_s32(sums[2], vmovl_s16(vget_low_s16(high)), weights[t]);
    sums[3] = vmlaq_n_s32(sums[3], vmovl_high_s16(high), weights[t]);
  }
  vst1q_u8(out, to_pixels(sums));
}

void down(const Axis& axis, int index, const uint8_t* rows, ptrdiff_t stride, size_t nbytes,
          uint8_t* out) {
  if (nbytes < 16) return kResizeScalar.down(axis, index, rows, stride, nbytes, out);
  const int32_t* weights = &axis.weights[static_cast<size_t>(index) * axis.stride];
  for (size_t done = 0; done < nbytes; done += 16) {
    const size_t from = std::min(done, nbytes - 16);
    block_down(weights, rows + from, stride, axis.count[index], out + from);
  }
}

}  // namespace

const ResizePasses kResizeNeon = {across, down, row_extent_by_four};

}  // namespace imnet

#endif
