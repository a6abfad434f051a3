#include "pixels/normalize.hpp"

#include "kernels.hpp"

namespace imnet {
namespace {

template <typename Number>
void look_up_planes(const uint8_t* image, size_t pixels, const Number* table, Number* out) {
  for (size_t channel = 0; channel < 3; ++channel, table += 256, out += pixels)
    for (size_t x = 0; x < pixels; ++x) out[x] = table[image[3 * x + channel]];
}

template <typename Number>
void planes(const uint8_t* image, size_t pixels, const Number* table, Number* out) {
  look_up_planes(image, pixels, table, out);
}

void planes(const uint8_t* image, size_t pixels, const float* table, float* out) {
  kernels().normalize(image, pixels, table, out);
}

template <typename Number>
void look_up_pixels(const uint8_t* image, size_t pixels, const Number* table, Number* out) {
  for (size_t x = 0; x < pixels; ++x, image += 3, out += 3) {
    out[0] = table[image[0]];
    out[1] = table[256 + image[1]];
    out[2] = table[512 + image[2]];
  }
}

}  // namespace

template <typename Number>
void look_up(const uint8_t* images, size_t count, size_t pixels, const Number* table, bool planar,
             Number* out) {
  for (size_t i = 0; i < count; ++i, images += 3 * pixels, out += 3 * pixels)
    planar ? planes(images, pixels, table, out)
           : look_up_pixels(images, pixels, table, out);
}

void normalize_planes_scalar(const uint8_t* image, size_t pixels, const float* table, float* out) {
  look_up_planes(image, pixels, table, out);
}

template void look_up(const uint8_t*, size_t, size_t, const uint16_t*, bool, uint16_t*);
template void look_up(const uint8_t*, size_t, size_t, const float*, bool, float*);

}  // namespace imnet
