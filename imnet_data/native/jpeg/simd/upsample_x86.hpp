// The loops over samples; included once for each width of vectors, with its header and with
// IMNET_UPSAMPLE_NAME defined.

#include "jpeg/upsample.hpp"

namespace imnet {
namespace {

constexpr int kStep = kVectorBytes / 2;

IMNET_VECTOR_INLINE Vector thrice(Vector value) {
  return IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(value, value), value);
}

// even and odd samples are the low and high bytes of 16-bit numbers
IMNET_VECTOR_INLINE void store_pairs(uint8_t* out, Vector even, Vector odd) {
  store(out, either(even, IMNET_MM(slli_epi16)(odd, 8)));
}

IMNET_VECTOR_TARGET void h2(const uint8_t* in, int count, uint8_t* out) {
  const Vector one = IMNET_MM(set1_epi16)(1), two = IMNET_MM(set1_epi16)(2);
  for (int i = 0; i < count; i += kStep) {
    const Vector here = thrice(load_wide(in + i));
    const Vector even = IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(here, one), load_wide(in + i - 1));
    const Vector odd = IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(here, two), load_wide(in + i + 1));
    store_pairs(out + 2 * i, IMNET_MM(srli_epi16)(even, 2), IMNET_MM(srli_epi16)(odd, 2));
  }
}

IMNET_VECTOR_INLINE Vector column_sums(const uint8_t* near, const uint8_t* far) {
  return IMNET_MM(add_epi16)(thrice(load_wide(near)), load_wide(far));
}

IMNET_VECTOR_TARGET void h2v2(const uint8_t* near, const uint8_t* far, int count, uint8_t* out) {
  const Vector seven = IMNET_MM(set1_epi16)(7), eight = IMNET_MM(set1_epi16)(8);
  for (int i = 0; i < count; i += kStep) {
    const Vector here = thrice(column_sums(near + i, far + i));
    const Vector before = column_sums(near + i - 1, far + i - 1);
    const Vector after = column_sums(near + i + 1, far + i + 1);
    const Vector even = IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(here, eight), before);
    const Vector odd = IMNET_MM(add_epi16)(IMNET_MM(add_epi16)(here, seven), after);
    store_pairs(out + 2 * i, IMNET_MM(srli_epi16)(even, 4), IMNET_MM(srli_epi16)(odd, 4));
  }
}

IMNET_VECTOR_TARGET void v2(const uint8_t* near, const uint8_t* far, int bias, int count,
                            uint8_t* out) {
  const Vector biases = IMNET_MM(set1_epi16)(short(bias));
  for (int i = 0; i < count; i += kStep) {
    const Vector sums = IMNET_MM(add_epi16)(column_sums(near + i, far + i), biases);
    store_narrow(out + i, IMNET_MM(srli_epi16)(sums, 2));
  }
}

}  // namespace

const UpsampleRows IMNET_UPSAMPLE_NAME = {h2, h2v2, v2};

}  // namespace imnet
