#include "packed/unpack.hpp"

#if defined(__x86_64__)

#include <array>

#include "jpeg/simd/idct_avx2.hpp"

#define IMNET_UNPACK_INLINE IMNET_AVX2_INLINE
#include "packed/simd/bits_bmi2.hpp"
#include "packed/scalar_block.hpp"

namespace imnet {
namespace {

// For each 16 places, which bytes of each 16 positions go there; 0x80 where none does.
struct Shuffles {
  alignas(32) uint8_t bytes[4][4][16];  // [positions / 16][places / 16]
};

constexpr Shuffles shuffles() {
  Shuffles made{};
  for (int place = 0; place < 64; ++place)
    for (int from = 0; from < 4; ++from) {
      const int position = positions_of_places()[place];
      made.bytes[from][place / 16][place % 16] =
          uint8_t(position / 16 == from ? position % 16 : 0x80);
    }
  return made;
}

constexpr Shuffles kShuffles = shuffles();

// The values of 32 coefficients as signed bytes, 0 where the mask has no bit.
IMNET_AVX2_INLINE __m256i signed_values(__m256i coded, uint32_t mask) {
  const __m256i one = _mm256_set1_epi8(1);
  const __m256i magnitude = _mm256_add_epi8(
      _mm256_and_si256(_mm256_srli_epi16(coded, 1), _mm256_set1_epi8(0x7F)), one);
  const __m256i negative = _mm256_cmpeq_epi8(_mm256_and_si256(coded, one), one);
  const __m256i each = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202,
                                          0x0303030303030303);
  const __m256i select = _mm256_set1_epi64x(int64_t(0x8040201008040201));
  const __m256i bits = _mm256_shuffle_epi8(_mm256_set1_epi32(int(mask)), each);
  const __m256i there = _mm256_cmpeq_epi8(_mm256_and_si256(bits, select), select);
  const __m256i value = _mm256_sub_epi8(_mm256_xor_si256(magnitude, negative), negative);
  return _mm256_and_si256(value, there);
}

// Bytes in the zigzag order to coefficients in that of the transform.
IMNET_AVX2_INLINE void place_values(const __m256i* zigzag, int16_t* coefficients) {
  __m256i both[4];  // each 16 positions, twice
  both[0] = _mm256_permute2x128_si256(zigzag[0], zigzag[0], 0x00);
  both[1] = _mm256_permute2x128_si256(zigzag[0], zigzag[0], 0x11);
  both[2] = _mm256_permute2x128_si256(zigzag[1], zigzag[1], 0x00);
  both[3] = _mm256_permute2x128_si256(zigzag[1], zigzag[1], 0x11);
  for (int half = 0; half < 2; ++half) {
    __m256i placed = _mm256_setzero_si256();
    for (int from = 0; from < 4; ++from)
      placed = _mm256_or_si256(
          placed, _mm256_shuffle_epi8(both[from], _mm256_load_si256(reinterpret_cast<const __m256i*>(
                                                      kShuffles.bytes[from][2 * half]))));
    auto* const out = reinterpret_cast<__m256i*>(coefficients + 32 * half);
    _mm256_store_si256(out, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(placed)));
    _mm256_store_si256(out + 1, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(placed, 1)));
  }
}

IMNET_AVX2_INLINE const uint8_t* unpack_block(const uint8_t* next, int& prediction,
                                              int16_t* coefficients) {
  unsigned groups;
  PackedBlock block;
  alignas(64) uint64_t lanes[8] = {};
  next = read_fields(next, block, groups);
  prediction = int(unsigned(prediction) + unsigned(block.difference));
  next = read_values(next, block, groups, lanes);
  __m256i zigzag[2];
  for (int half = 0; half < 2; ++half)
    zigzag[half] = signed_values(
        _mm256_load_si256(reinterpret_cast<const __m256i*>(lanes) + half),
        uint32_t(block.masks >> 32 * half));
  place_values(zigzag, coefficients);
  if (__builtin_expect(block.wide(), 0))
    next = take_wide(next, [&](int position, int value) {
      coefficients[kZigzagPlaces[position]] = int16_t(value);
    });
  coefficients[0] = int16_t(prediction);
  return next;
}

}  // namespace
}  // namespace imnet

#define IMNET_UNPACK_TARGET IMNET_AVX2
#define IMNET_UNPACK_NAME unpack_avx2
#define IMNET_UNPACK_BLOCK unpack_block
#define IMNET_SKIP_BLOCK skip_block
#define IMNET_IDCT idct_block
#include "packed/unpack_loop.hpp"

#endif
