#include "jpeg/idct.hpp"

#include <algorithm>

namespace imnet {
namespace {

// Sums wrap at 32 bits, as those of vector registers do.
uint32_t times(int32_t value, int32_t constant) { return uint32_t(value) * uint32_t(constant); }

int32_t descale(uint32_t value, int shift) {
  return int32_t(value + (1u << (shift - 1))) >> shift;
}

void idct_8(const int16_t* in, ptrdiff_t step, int shift, int32_t* out) {
  const int32_t x0 = in[0], x1 = in[step], x2 = in[2 * step], x3 = in[3 * step], x4 = in[4 * step],
                x5 = in[5 * step], x6 = in[6 * step], x7 = in[7 * step];
  const uint32_t sum = times(int16_t(x0 + x4), 1 << kDctBits);
  const uint32_t difference = times(int16_t(x0 - x4), 1 << kDctBits);
  const uint32_t even2 = times(x2, kF0_541) + times(x6, kF0_541 - kF1_847);
  const uint32_t even3 = times(x2, kF0_541 + kF0_765) + times(x6, kF0_541);
  const uint32_t even[4] = {sum + even3, difference + even2, difference - even2, sum - even3};

  const int32_t z3 = int16_t(x7 + x3), z4 = int16_t(x5 + x1);
  const uint32_t z3_part = times(z3, kF1_175 - kF1_961) + times(z4, kF1_175);
  const uint32_t z4_part = times(z3, kF1_175) + times(z4, kF1_175 - kF0_390);
  const uint32_t odd[4] = {
      times(x7, -kF0_899) + times(x1, kF1_501 - kF0_899) + z4_part,
      times(x5, -kF2_562) + times(x3, kF3_072 - kF2_562) + z3_part,
      times(x5, kF2_053 - kF2_562) + times(x3, -kF2_562) + z4_part,
      times(x7, kF0_298 - kF0_899) + times(x1, -kF0_899) + z3_part,
  };
  for (int i = 0; i < 4; ++i) {
    out[i] = descale(even[i] + odd[i], shift);
    out[7 - i] = descale(even[i] - odd[i], shift);
  }
}

}  // namespace

void idct_scalar(int16_t* coefficients, const int16_t* quant, uint8_t* out,
                 ptrdiff_t stride) {
  int16_t block[64];
  int below = 0;  // not 0 where rows 1 to 7 have a coefficient
  for (int i = 0; i < 64; ++i) {
    const int place = kNaturalPlaces[i];
    if (i >= 8) below |= coefficients[place];
    block[i] = int16_t(coefficients[place] * quant[place]);
  }
  std::fill_n(coefficients, 64, int16_t(0));
  int32_t line[8];
  for (int column = 0; column < 8; ++column) {
    idct_8(block + column, 8, kFirstShift, line);
    const auto wrapped = int16_t(block[column] * (1 << kFirstPassBits));
    for (int i = 0; i < 8; ++i)
      block[8 * i + column] = below == 0 ? wrapped : int16_t(std::clamp(line[i], -32768, 32767));
  }
  for (int row = 0; row < 8; ++row, out += stride) {
    idct_8(block + 8 * row, 1, kSecondShift, line);
    for (int i = 0; i < 8; ++i) out[i] = uint8_t(std::clamp(line[i], -128, 127) + 128);
  }
}

}  // namespace imnet
