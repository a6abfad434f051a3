// A table of 256 numbers fits sixteen registers, a byte of each number in four of them.
#include "pixels/normalize.hpp"

#if defined(__x86_64__)

#include <cstring>

#include "cpu/vectors_avx512.hpp"

#define IMNET_AVX512_VBMI_INLINE IMNET_AVX512_VBMI __attribute__((always_inline)) static inline

namespace imnet {
namespace {

constexpr size_t kAtOnce = 64;  // pixels

struct Places {  // of the 64 samples of a channel among 192 bytes
  alignas(64) uint8_t first[3][64];   // in the first 128 bytes
  alignas(64) uint8_t second[3][64];  // in the last 64
  uint64_t is_second[3];
};

// In an order that makes numbers come out in a row when their bytes are interleaved.
constexpr Places places() {
  Places made{};
  for (int channel = 0; channel < 3; ++channel)
    for (int at = 0; at < 64; ++at) {
      const int pixel = 16 * (at / 4 % 4) + 4 * (at / 16) + at % 4;
      const int from = 3 * pixel + channel;
      if (from < 128) {
        made.first[channel][at] = uint8_t(from);
      } else {
        made.second[channel][at] = uint8_t(from - 128);
        made.is_second[channel] |= uint64_t(1) << at;
      }
    }
  return made;
}

constexpr Places kPlaces = places();

struct ByteTable {  // one byte of each number
  __m512i quarters[4];
};

IMNET_AVX512_VBMI_INLINE void split(const float* table, ByteTable* bytes) {
  for (int byte = 0; byte < 4; ++byte) {
    alignas(64) uint8_t column[256];
    for (int i = 0; i < 256; ++i) {
      uint32_t bits;
      std::memcpy(&bits, table + i, sizeof bits);
      column[i] = uint8_t(bits >> 8 * byte);
    }
    for (int i = 0; i < 4; ++i) bytes[byte].quarters[i] = _mm512_load_si512(column + 64 * i);
  }
}

IMNET_AVX512_VBMI_INLINE __m512i look_up(const ByteTable& table, __m512i samples, __mmask64 high) {
  const __m512i low =
      _mm512_permutex2var_epi8(table.quarters[0], samples, table.quarters[1]);
  return _mm512_mask_blend_epi8(
      high, low, _mm512_permutex2var_epi8(table.quarters[2], samples, table.quarters[3]));
}

IMNET_AVX512_VBMI_INLINE __m512i samples_of(const uint8_t* image, int channel) {
  const __m512i first = _mm512_permutex2var_epi8(
      _mm512_loadu_si512(image), _mm512_load_si512(kPlaces.first[channel]),
      _mm512_loadu_si512(image + 64));
  return _mm512_mask_permutexvar_epi8(first, kPlaces.is_second[channel],
                                      _mm512_load_si512(kPlaces.second[channel]),
                                      _mm512_loadu_si512(image + 128));
}

IMNET_AVX512_VBMI_INLINE void store_numbers(const ByteTable* bytes, __m512i samples, float* out) {
  const __mmask64 high = _mm512_movepi8_mask(samples);
  __m512i found[4];
  for (int i = 0; i < 4; ++i) found[i] = look_up(bytes[i], samples, high);
  const __m512i low01 = _mm512_unpacklo_epi8(found[0], found[1]);
  const __m512i high01 = _mm512_unpackhi_epi8(found[0], found[1]);
  const __m512i low23 = _mm512_unpacklo_epi8(found[2], found[3]);
  const __m512i high23 = _mm512_unpackhi_epi8(found[2], found[3]);
  _mm512_storeu_si512(out, _mm512_unpacklo_epi16(low01, low23));
  _mm512_storeu_si512(out + 16, _mm512_unpackhi_epi16(low01, low23));
  _mm512_storeu_si512(out + 32, _mm512_unpacklo_epi16(high01, high23));
  _mm512_storeu_si512(out + 48, _mm512_unpackhi_epi16(high01, high23));
}

}  // namespace

IMNET_AVX512_VBMI void normalize_planes_avx512(const uint8_t* image, size_t pixels,
                                               const float* table, float* out) {
  for (int channel = 0; channel < 3; ++channel, table += 256, out += pixels) {
    ByteTable bytes[4];
    split(table, bytes);
    size_t x = 0;
    for (; x + kAtOnce <= pixels; x += kAtOnce)
      store_numbers(bytes, samples_of(image + 3 * x, channel), out + x);
    for (; x < pixels; ++x) out[x] = table[image[3 * x + size_t(channel)]];
  }
}

}  // namespace imnet

#endif
