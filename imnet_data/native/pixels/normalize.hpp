// Pixels to numbers: value / 255, minus a mean, divided by a standard deviation, each rounded to
// float32; then rounded to the type that is asked for, half to even.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace imnet {

enum class NumberType { float32, float16, bfloat16 };

inline size_t number_nbytes(NumberType type) { return type == NumberType::float32 ? 4 : 2; }

using PerChannel = std::array<float, 3>;

// What becomes of the 256 values of each channel.
struct Normalization {
  // `mean` and `std` are finite, and `std` is above zero. Planar: all numbers of one channel of an
  // image before those of the next; otherwise the three of one pixel after the other.
  Normalization(const PerChannel& mean, const PerChannel& std, NumberType type, bool planar);

  const NumberType type;
  const bool planar;
  const PerChannel mean;
  PerChannel inverse, rest;  // 1 / std in two parts
  // Whether normalized_by_products gives the quotients, to the last bit, for all 768 values. It does
  // unless one of them lies within 1/10,000,000 of the middle between two numbers, or overflows.
  bool by_products;
  std::array<float, 3 * 256> numbers;     // for float32: of [channel * 256 + value]
  std::array<uint16_t, 3 * 256> shorter;  // for the others
};

constexpr float kInverse255 = 1.0f / 255, kRest255 = static_cast<float>(1.0 / 255 - kInverse255);

// Writes the numbers of an RGB image.
using NormalizeFunction = void (*)(const Normalization& normalization, const uint8_t* image,
                                   size_t pixels, void* out);
void normalize_scalar(const Normalization& normalization, const uint8_t* image, size_t pixels,
                      void* out);
void normalize_avx2(const Normalization& normalization, const uint8_t* image, size_t pixels,
                    void* out);
void normalize_avx512(const Normalization& normalization, const uint8_t* image, size_t pixels,
                      void* out);
void normalize_neon(const Normalization& normalization, const uint8_t* image, size_t pixels,
                    void* out);

// What is left of an image from pixel `from` on.
void normalize_from(const Normalization& normalization, const uint8_t* image, size_t from,
                    size_t pixels, void* out);

}  // namespace imnet
