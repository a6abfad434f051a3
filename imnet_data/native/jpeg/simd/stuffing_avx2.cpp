#if defined(__x86_64__)

#include <immintrin.h>

#include "cpu/features.hpp"
#include "jpeg/stuffing.hpp"

namespace imnet {
namespace {

constexpr size_t kVector = 32;

IMNET_AVX2 inline __m256i load(const uint8_t* data) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
}

IMNET_AVX2 inline void store(uint8_t* out, __m256i bytes) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
}

// One bit for each byte that is FF.
IMNET_AVX2 inline uint32_t marks(__m256i bytes) {
  return uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(-1))));
}

}  // namespace

IMNET_AVX2 size_t unstuff_avx2(const uint8_t* data, const uint8_t* end, uint8_t* out,
                                   const uint8_t** stop) {
  uint8_t* const start = out;
  while (size_t(end - data) > kVector) {
    const __m256i bytes = load(data);
    const uint32_t found = marks(bytes);
    store(out, bytes);
    const size_t before = found == 0 ? kVector : _tzcnt_u32(found);
    out += before;
    data += before;
    if (found == 0) continue;
    if (data[1] != 0) {
      *stop = data;
      return out - start;
    }
    ++out;
    data += 2;
  }
  for (; data < end; ++data) {
    // a lone FF at the end is not data
    if (*data == 0xFF && (end - data < 2 || data[1] != 0)) break;
    *out++ = *data;
    data += *data == 0xFF;
  }
  *stop = data;
  return out - start;
}

IMNET_AVX2 const uint8_t* next_marker_avx2(const uint8_t* data, const uint8_t* end) {
  for (; size_t(end - data) > kVector; data += kVector) {
    const __m256i stuffing = _mm256_cmpeq_epi8(load(data + 1), _mm256_setzero_si256());
    const uint32_t found = marks(load(data)) & ~uint32_t(_mm256_movemask_epi8(stuffing));
    if (found != 0) return data + _tzcnt_u32(found);
  }
  return next_marker_scalar(data, end);
}

IMNET_AVX2 uint8_t* stuff_avx2(const uint8_t* data, int first, size_t nbytes, uint8_t* out) {
  const __m128i left = _mm_cvtsi32_si128(first), right = _mm_cvtsi32_si128(8 - first);
  const __m256i high = _mm256_set1_epi8(char(0xFF << first));
  const __m256i low = _mm256_set1_epi8(char(0xFF >> (8 - first)));
  while (nbytes != 0) {
    const __m256i upper = _mm256_and_si256(_mm256_sll_epi16(load(data), left), high);
    const __m256i lower = _mm256_and_si256(_mm256_srl_epi16(load(data + 1), right), low);
    const __m256i bytes = _mm256_or_si256(upper, lower);
    store(out, bytes);
    uint32_t found = marks(bytes);
    size_t taken = kVector;
    if (nbytes < kVector) {
      taken = nbytes;
      found &= (uint32_t(1) << nbytes) - 1;
    }
    if (found != 0) {
      taken = _tzcnt_u32(found) + 1;
      out[taken] = 0;
      ++out;
    }
    out += taken;
    data += taken;
    nbytes -= taken;
  }
  return out;
}

}  // namespace imnet

#endif
