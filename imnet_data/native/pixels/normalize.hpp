// Pixels to numbers, by a table: each of the 256 values of a channel has one result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace imnet {

// Writes table[channel * 256 + value] for every value of `count` RGB images of `pixels` pixels
// each; planar output has all of one channel of an image before the next.
template <typename Number>
void look_up(const uint8_t* images, size_t count, size_t pixels, const Number* table, bool planar,
             Number* out);

extern template void look_up(const uint8_t*, size_t, size_t, const uint16_t*, bool, uint16_t*);
extern template void look_up(const uint8_t*, size_t, size_t, const float*, bool, float*);

// What `look_up` does to one image, planar, in float32.
using NormalizeFunction = void (*)(const uint8_t* image, size_t pixels, const float* table,
                                   float* out);
void normalize_planes_scalar(const uint8_t* image, size_t pixels, const float* table, float* out);
void normalize_planes_avx512(const uint8_t* image, size_t pixels, const float* table, float* out);

}  // namespace imnet
