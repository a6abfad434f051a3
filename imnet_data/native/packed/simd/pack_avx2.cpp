#include "packed/pack.hpp"

#if defined(__x86_64__)

#include <array>
#include <cstring>

#include "jpeg/simd/idct_avx2.hpp"

#define IMNET_SCAN_BMI2
#define IMNET_SCAN_TARGET IMNET_AVX2
#include "packed/block_writer.hpp"

namespace imnet {
namespace {

struct Shuffles {
  alignas(32) uint8_t bytes[4][4][16];  // [places / 16][positions / 16]; 0x80: from elsewhere
};

constexpr Shuffles shuffles() {
  Shuffles made{};
  for (int position = 0; position < 64; ++position)
    for (int from = 0; from < 4; ++from) {
      const int place = kZigzagPlaces[position];
      made.bytes[from][position / 16][position % 16] =
          uint8_t(place / 16 == from ? place % 16 : 0x80);
    }
  return made;
}

constexpr Shuffles kShuffles = shuffles();

// 64 coefficients as bytes in their order, beyond +-127 saturated.
IMNET_AVX2_INLINE void saturate(const int16_t* coefficients, __m256i* bytes) {
  const auto* const in = reinterpret_cast<const __m256i*>(coefficients);
  for (int half = 0; half < 2; ++half)
    bytes[half] = _mm256_permute4x64_epi64(
        _mm256_packs_epi16(_mm256_load_si256(in + 2 * half), _mm256_load_si256(in + 2 * half + 1)),
        0xD8);
}

// Bytes in the order of the transform to the zigzag order.
IMNET_AVX2_INLINE void to_zigzag(const __m256i* placed, __m256i* zigzag) {
  __m256i both[4];
  both[0] = _mm256_permute2x128_si256(placed[0], placed[0], 0x00);
  both[1] = _mm256_permute2x128_si256(placed[0], placed[0], 0x11);
  both[2] = _mm256_permute2x128_si256(placed[1], placed[1], 0x00);
  both[3] = _mm256_permute2x128_si256(placed[1], placed[1], 0x11);
  for (int half = 0; half < 2; ++half) {
    zigzag[half] = _mm256_setzero_si256();
    for (int from = 0; from < 4; ++from)
      zigzag[half] = _mm256_or_si256(
          zigzag[half], _mm256_shuffle_epi8(both[from],
                                            _mm256_load_si256(reinterpret_cast<const __m256i*>(
                                                kShuffles.bytes[from][2 * half]))));
  }
}

// 2 * (|v| - 1) + (v < 0); of a zero anything.
IMNET_AVX2_INLINE __m256i coded_values(__m256i values) {
  const __m256i negative = _mm256_cmpgt_epi8(_mm256_setzero_si256(), values);
  const __m256i less = _mm256_sub_epi8(_mm256_abs_epi8(values), _mm256_set1_epi8(1));
  return _mm256_sub_epi8(_mm256_add_epi8(less, less), negative);
}

// Bits at the end of `out`; those after the last one are 0.
struct BitSink {
  uint8_t* out;
  unsigned bit = 0;
};

IMNET_AVX2_INLINE void append(BitSink& sink, uint64_t word, unsigned count) {
  uint8_t* const at = sink.out + (sink.bit >> 3);
  const unsigned shift = sink.bit & 7;
  const uint64_t whole = word << shift | *at;
  store_little_endian(at, whole);
  at[8] = uint8_t(word >> 1 >> (63 - shift));
  sink.bit += count;
}

IMNET_AVX2 __attribute__((noinline)) uint8_t* pack_wide(const int16_t* coefficients, int difference,
                                                        uint8_t* out) {
  BlockWriter writer;
  for (int position = 1; position < 64; ++position)
    if (const int value = coefficients[kZigzagPlaces[position]]; value != 0)
      writer.add(position, value);
  return writer.write(difference, out);
}

IMNET_AVX2_INLINE uint8_t* pack_groups(const __m256i* zigzag, uint64_t masks, uint8_t* out) {
  alignas(32) uint64_t coded[8];
  for (int half = 0; half < 2; ++half)
    _mm256_store_si256(reinterpret_cast<__m256i*>(coded) + half, coded_values(zigzag[half]));
  uint64_t widths = 0, there = 0;
  for (int g = 0; g < 8; ++g) {
    const uint64_t mask = masks >> 8 * g & 255;
    coded[g] &= _pdep_u64(mask, kEachByte) * 255;
    uint64_t used = coded[g] | coded[g] >> 32;
    used |= used >> 16;
    used = (used | used >> 8) & 255;
    widths |= uint64_t(31 - __builtin_clz(unsigned(used) | 1)) << 8 * g;
    there |= uint64_t(mask != 0) << 8 * g;
  }
  store_little_endian(out, _pext_u64(masks, there * 255));
  const auto count = unsigned(__builtin_popcountll(there));
  BitSink sink{out + count};
  *sink.out = 0;
  append(sink, _pext_u64(widths, there * 7), 3 * count);
  for (int g = 0; g < 8; ++g) {
    const auto mask = unsigned(masks >> 8 * g & 255);
    if (mask == 0) continue;
    const unsigned width = unsigned(widths >> 8 * g & 7) + 1;
    const uint64_t lowest = _pdep_u64(mask, kEachByte);
    append(sink, _pext_u64(coded[g], (lowest << width) - lowest),
           unsigned(__builtin_popcount(mask)) * width);
  }
  return sink.out + ((sink.bit + 7) >> 3);
}

IMNET_AVX2_INLINE uint8_t* pack_block(int16_t* coefficients, int difference, uint8_t* out,
                                      uint64_t& masks) {
  __m256i placed[2], zigzag[2];
  coefficients[0] = 0;
  saturate(coefficients, placed);
  to_zigzag(placed, zigzag);
  uint32_t zero[2];
  __m256i wide = _mm256_setzero_si256();
  for (int half = 0; half < 2; ++half) {
    zero[half] = uint32_t(_mm256_movemask_epi8(
        _mm256_cmpeq_epi8(zigzag[half], _mm256_setzero_si256())));
    // what is saturated, and what was +-127 or -128: the slow way finds out
    const __m256i most = _mm256_abs_epi8(zigzag[half]);
    wide = _mm256_or_si256(wide, _mm256_cmpeq_epi8(_mm256_max_epu8(most, _mm256_set1_epi8(127)),
                                                   most));
  }
  masks = ~(uint64_t(zero[1]) << 32 | zero[0]);
  if (__builtin_expect(!_mm256_testz_si256(wide, wide), 0)) {
    out = pack_wide(coefficients, difference, out);
  } else {
    const uint64_t low = masks | (masks >> 1 & 0x7F7F7F7F7F7F7F7F);
    const uint64_t two = low | (low >> 2 & 0x3F3F3F3F3F3F3F3F);
    *out++ = uint8_t(_pext_u64(two | (two >> 4 & 0x0F0F0F0F0F0F0F0F), kEachByte));
    if (difference > kWideDifference && difference <= kNarrowLimit) {
      *out++ = uint8_t(difference);
    } else {
      *out++ = uint8_t(kWideDifference);
      store_little_endian(out, uint16_t(difference));
      out += 2;
    }
    out = pack_groups(zigzag, masks, out);
  }
  auto* const values = reinterpret_cast<__m256i*>(coefficients);
  for (int i = 0; i < 4; ++i) _mm256_store_si256(values + i, _mm256_setzero_si256());
  return out;
}

}  // namespace
}  // namespace imnet

#define IMNET_PACK_NAME pack_avx2
#define IMNET_PACK_BLOCK pack_block
#include "packed/pack_loop.hpp"

#endif
