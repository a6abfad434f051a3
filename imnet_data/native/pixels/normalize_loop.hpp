// The loop of `normalize` for any vectors; included once for each instruction set, with
// IMNET_NORMALIZE_NAME, IMNET_NORMALIZE_TARGET and IMNET_NORMALIZE_INLINE defined, Floats of kLanes
// each, and
//   samples_in_a_row(pixels, part)   third number `part` of the samples of kLanes pixels
//   samples_of_channel(pixels, c)    those of one channel; both may read 6 bytes more
//   filled(number), loaded(numbers), difference(a, b), product(a, b), sum_with_product(sum, a, b)
//   store<type>(out, floats)

#include "pixels/normalize.hpp"

namespace imnet {
namespace {

struct Constants {  // of the lanes of one vector
  Floats mean, inverse, rest;
};

// The constants of vector number `part` of three: of a channel, or of channels in turn.
IMNET_NORMALIZE_INLINE Constants constants(const Normalization& n, bool planar, int part) {
  float lanes[3][kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const auto channel = size_t(planar ? part : (part * kLanes + lane) % 3);
    lanes[0][lane] = n.mean[channel];
    lanes[1][lane] = n.inverse[channel];
    lanes[2][lane] = n.rest[channel];
  }
  return {loaded(lanes[0]), loaded(lanes[1]), loaded(lanes[2])};
}

IMNET_NORMALIZE_INLINE Floats normalized_by_products(Floats samples, const Constants& of) {
  const Floats share = sum_with_product(product(samples, filled(kRest255)), samples,
                                        filled(kInverse255));
  const Floats centred = difference(share, of.mean);
  return sum_with_product(product(centred, of.rest), centred, of.inverse);
}

template <NumberType type, bool planar, typename Number>
IMNET_NORMALIZE_TARGET void normalize_vectors(const Normalization& n, const uint8_t* image,
                                              size_t pixels, Number* out) {
  const Constants of[3] = {constants(n, planar, 0), constants(n, planar, 1),
                           constants(n, planar, 2)};
  const size_t apart = planar ? pixels : kLanes, step = planar ? 1 : 3;
  size_t x = 0;
  for (; x + kLanes + 2 <= pixels; x += kLanes) {
    const uint8_t* from = image + 3 * x;
    for (int part = 0; part < 3; ++part) {
      const Floats samples =
          planar ? samples_of_channel(from, part) : samples_in_a_row(from, part);
      store<type>(out + size_t(part) * apart + step * x,
                  normalized_by_products(samples, of[part]));
    }
  }
  normalize_from(n, image, x, pixels, out);
}

template <NumberType type, typename Number>
IMNET_NORMALIZE_TARGET void normalize_as(const Normalization& n, const uint8_t* image,
                                         size_t pixels, void* out) {
  Number* const numbers = static_cast<Number*>(out);
  n.planar ? normalize_vectors<type, true>(n, image, pixels, numbers)
           : normalize_vectors<type, false>(n, image, pixels, numbers);
}

}  // namespace

IMNET_NORMALIZE_TARGET void IMNET_NORMALIZE_NAME(const Normalization& n, const uint8_t* image,
                                                 size_t pixels, void* out) {
  if (!n.by_products) return normalize_scalar(n, image, pixels, out);
  switch (n.type) {
    case NumberType::float32:
      return normalize_as<NumberType::float32, float>(n, image, pixels, out);
    case NumberType::float16:
      return normalize_as<NumberType::float16, uint16_t>(n, image, pixels, out);
    case NumberType::bfloat16:
      return normalize_as<NumberType::bfloat16, uint16_t>(n, image, pixels, out);
  }
}

}  // namespace imnet
