// The inverse DCT of jpeg/idct.hpp with NEON, for the scan to inline. No sum leaves 32 bits:
// coefficients have 16, and the constants that one output takes add up to less than 2**16.
#pragma once

#include <arm_neon.h>

#include "jpeg/idct.hpp"

namespace imnet {
namespace neon {

// Two constants on two inputs, four transforms at a time.
inline int32x4_t sum_of_two(int16x4_t a, int constant_a, int16x4_t b, int constant_b) {
  return vmlal_n_s16(vmull_n_s16(a, int16_t(constant_a)), b, int16_t(constant_b));
}

// Four transforms, one in each lane; `in` has inputs 0 to 7, `out` what comes before the shift.
inline void idct_4(const int16x4_t* in, int32x4_t* out) {
  const int32x4_t sum = vshll_n_s16(vadd_s16(in[0], in[4]), kDctBits);
  const int32x4_t difference = vshll_n_s16(vsub_s16(in[0], in[4]), kDctBits);
  const int32x4_t even2 = sum_of_two(in[2], kF0_541, in[6], kF0_541 - kF1_847);
  const int32x4_t even3 = sum_of_two(in[2], kF0_541 + kF0_765, in[6], kF0_541);
  const int32x4_t even[4] = {vaddq_s32(sum, even3), vaddq_s32(difference, even2),
                             vsubq_s32(difference, even2), vsubq_s32(sum, even3)};

  const int16x4_t in73 = vadd_s16(in[7], in[3]), in51 = vadd_s16(in[5], in[1]);
  const int32x4_t z3 = sum_of_two(in73, kF1_175 - kF1_961, in51, kF1_175);
  const int32x4_t z4 = sum_of_two(in73, kF1_175, in51, kF1_175 - kF0_390);
  const int32x4_t odd[4] = {
      vaddq_s32(z4, sum_of_two(in[7], -kF0_899, in[1], kF1_501 - kF0_899)),
      vaddq_s32(z3, sum_of_two(in[5], -kF2_562, in[3], kF3_072 - kF2_562)),
      vaddq_s32(z4, sum_of_two(in[5], kF2_053 - kF2_562, in[3], -kF2_562)),
      vaddq_s32(z3, sum_of_two(in[7], kF0_298 - kF0_899, in[1], -kF0_899)),
  };
  for (int i = 0; i < 4; ++i) {
    out[i] = vaddq_s32(even[i], odd[i]);
    out[7 - i] = vsubq_s32(even[i], odd[i]);
  }
}

// Eight transforms; results rounded and saturated to 16 bits.
template <int kShift>
inline void idct_8(const int16x8_t* in, int16x8_t* out) {
  int16x4_t low[8], high[8];
  for (int i = 0; i < 8; ++i) {
    low[i] = vget_low_s16(in[i]);
    high[i] = vget_high_s16(in[i]);
  }
  int32x4_t sums_low[8], sums_high[8];
  idct_4(low, sums_low);
  idct_4(high, sums_high);
  for (int i = 0; i < 8; ++i)
    out[i] = vcombine_s16(vqmovn_s32(vrshrq_n_s32(sums_low[i], kShift)),
                          vqmovn_s32(vrshrq_n_s32(sums_high[i], kShift)));
}

// out[column] of the lanes of in[row].
inline void transpose(const int16x8_t* in, int16x8_t* out) {
  int32x4_t twos[8];  // pairs of rows, of columns 0 2 4 6 at even places and 1 3 5 7 at odd ones
  for (int i = 0; i < 8; i += 2) {
    twos[i] = vreinterpretq_s32_s16(vtrn1q_s16(in[i], in[i + 1]));
    twos[i + 1] = vreinterpretq_s32_s16(vtrn2q_s16(in[i], in[i + 1]));
  }
  for (int i = 0; i < 2; ++i) {
    const int64x2_t upper04 = vreinterpretq_s64_s32(vtrn1q_s32(twos[i], twos[i + 2]));
    const int64x2_t upper26 = vreinterpretq_s64_s32(vtrn2q_s32(twos[i], twos[i + 2]));
    const int64x2_t lower04 = vreinterpretq_s64_s32(vtrn1q_s32(twos[i + 4], twos[i + 6]));
    const int64x2_t lower26 = vreinterpretq_s64_s32(vtrn2q_s32(twos[i + 4], twos[i + 6]));
    out[i] = vreinterpretq_s16_s64(vtrn1q_s64(upper04, lower04));
    out[i + 2] = vreinterpretq_s16_s64(vtrn1q_s64(upper26, lower26));
    out[i + 4] = vreinterpretq_s16_s64(vtrn2q_s64(upper04, lower04));
    out[i + 6] = vreinterpretq_s16_s64(vtrn2q_s64(upper26, lower26));
  }
}

// Whether the first pass may wrap: a value of row 0 is beyond +-kFirstPassLimit.
inline bool wraps(const int16_t* coefficients, const int16_t* quant) {
  const int16x8_t row = vmulq_s16(vld2q_s16(coefficients).val[0], vld2q_s16(quant).val[0]);
  const int16x8_t shifted = vaddq_s16(row, vdupq_n_s16(kFirstPassLimit));
  const uint16x8_t beyond = vdupq_n_u16(uint16_t(-2 * kFirstPassLimit));
  return vmaxvq_u16(vandq_u16(vreinterpretq_u16_s16(shifted), beyond)) != 0;
}

}  // namespace neon

inline void idct_block(int16_t* coefficients, const int16_t* quant, uint8_t* out,
                       ptrdiff_t stride) {
  if (__builtin_expect(neon::wraps(coefficients, quant), 0))
    return idct_scalar(coefficients, quant, out, stride);
  constexpr int kPairs[4][2] = {{0, 4}, {2, 6}, {7, 1}, {3, 5}};
  int16x8_t rows[8], columns[8], lanes[8];
  for (int i = 0; i < 4; ++i) {
    const int16x8x2_t values = vld2q_s16(coefficients + 16 * i);
    const int16x8x2_t factors = vld2q_s16(quant + 16 * i);
    for (int k = 0; k < 2; ++k) {
      rows[kPairs[i][k]] = vmulq_s16(values.val[k], factors.val[k]);
      vst1q_s16(coefficients + 16 * i + 8 * k, vdupq_n_s16(0));
    }
  }
  neon::idct_8<kFirstShift>(rows, rows);
  neon::transpose(rows, lanes);
  // lanes are in the order of the columns that the coefficients come in
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 2; ++k) columns[kPairs[i][k]] = lanes[2 * i + k];
  neon::idct_8<kSecondShift>(columns, columns);
  neon::transpose(columns, rows);
  for (int i = 0; i < 8; ++i, out += stride)
    vst1_u8(out, veor_u8(vreinterpret_u8_s8(vqmovn_s16(rows[i])), vdup_n_u8(128)));
}

}  // namespace imnet
