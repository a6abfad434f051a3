#include "pixels/normalize.hpp"

#include <cmath>
#include <cstring>

namespace imnet {
namespace {

uint32_t bits_of(float number) {
  uint32_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  return bits;
}

// The lowest bits decide how the others are rounded; half goes to even.
uint32_t without_low_bits(uint32_t bits, int dropped) {
  const uint32_t is_odd = bits >> dropped & 1;
  return (bits + (uint32_t{1} << (dropped - 1)) - 1 + is_odd) >> dropped;
}

uint16_t bfloat16_of(float number) { return uint16_t(without_low_bits(bits_of(number), 16)); }

uint16_t float16_of(float number) {
  const uint32_t sign = bits_of(number) >> 16 & 0x8000;
  const float size = std::fabs(number);
  uint32_t bits;
  if (size >= 65520.0f)
    bits = 0x7C00;  // infinite
  else if (size < 0x1p-14f)
    bits = bits_of(size + 0.5f) - bits_of(0.5f);  // the sum is rounded to multiples of 2^-24
  else
    bits = without_low_bits(bits_of(size) - (uint32_t{112} << 23), 13);  // exponents of other bias
  return uint16_t(sign | bits);
}

template <typename Number>
void look_up(const std::array<Number, 3 * 256>& table, bool planar, const uint8_t* image,
             size_t from, size_t pixels, Number* out) {
  const size_t step = planar ? 1 : 3, apart = planar ? pixels : 1;
  for (size_t channel = 0; channel < 3; ++channel)
    for (size_t x = from; x < pixels; ++x)
      out[channel * apart + x * step] = table[channel * 256 + image[3 * x + channel]];
}

}  // namespace

Normalization::Normalization(const PerChannel& mean, const PerChannel& std, NumberType type,
                             bool planar)
    : type(type), planar(planar), mean(mean), by_products(true), numbers(), shorter() {
  for (size_t channel = 0; channel < 3; ++channel) {
    const float inverted = 1.0f / std[channel];
    inverse[channel] = inverted;
    rest[channel] = static_cast<float>(1.0 / double(std[channel]) - double(inverted));
    for (size_t value = 0; value < 256; ++value) {
      const float part = float(value), share = part / 255.0f, centred = share - mean[channel];
      const float number = centred / std[channel];
      const float share_2 = std::fmaf(part, kInverse255, part * kRest255) - mean[channel];
      const float number_2 = std::fmaf(share_2, inverted, share_2 * rest[channel]);
      by_products &= bits_of(number) == bits_of(number_2);
      numbers[channel * 256 + value] = number;
      shorter[channel * 256 + value] =
          type == NumberType::float16 ? float16_of(number) : bfloat16_of(number);
    }
  }
}

void normalize_from(const Normalization& normalization, const uint8_t* image, size_t from,
                    size_t pixels, void* out) {
  const Normalization& n = normalization;
  if (n.type == NumberType::float32)
    look_up(n.numbers, n.planar, image, from, pixels, static_cast<float*>(out));
  else
    look_up(n.shorter, n.planar, image, from, pixels, static_cast<uint16_t*>(out));
}

void normalize_scalar(const Normalization& normalization, const uint8_t* image, size_t pixels,
                      void* out) {
  normalize_from(normalization, image, 0, pixels, out);
}

}  // namespace imnet
