#include "jpeg/upsample.hpp"

#include <cstring>

namespace imnet {
namespace {

void h2(const uint8_t* in, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i) {
    out[2 * i] = uint8_t((3 * in[i] + in[i - 1] + 1) >> 2);
    out[2 * i + 1] = uint8_t((3 * in[i] + in[i + 1] + 2) >> 2);
  }
}

void h2v2(const uint8_t* near, const uint8_t* far, int count, uint8_t* out) {
  int before = 3 * near[-1] + far[-1], here = 3 * near[0] + far[0];
  for (int i = 0; i < count; ++i) {
    const int after = 3 * near[i + 1] + far[i + 1];
    out[2 * i] = uint8_t((3 * here + before + 8) >> 4);
    out[2 * i + 1] = uint8_t((3 * here + after + 7) >> 4);
    before = here;
    here = after;
  }
}

void v2(const uint8_t* near, const uint8_t* far, int bias, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i) out[i] = uint8_t((3 * near[i] + far[i] + bias) >> 2);
}

}  // namespace

const UpsampleRows kUpsampleScalar = {h2, h2v2, v2};

void repeat_row(const uint8_t* in, int factor, int count, uint8_t* out) {
  for (int i = 0; i < count; ++i, out += factor) std::memset(out, in[i], factor);
}

}  // namespace imnet
