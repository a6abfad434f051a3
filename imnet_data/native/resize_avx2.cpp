// A 22-bit weight times an 8-bit pixel does not fit the 16-bit multiply-add, the fastest integer
// multiplication there is. So a weight is split: high * 2**15 + low, each half gets its own sum of
// 32 bits, and the two are put together at the end. All arithmetic is modulo 2**32, as in the
// scalar code, so the result is the same for any weights.

#include "resize_passes.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace imnet {
namespace {

constexpr int kOutputsAtOnce = 4;

struct Sums {
  __m256i low, high;
};

AVX2_INLINE void add_pair(Sums& sums, __m256i pixels, __m256i low, __m256i high) {
  sums.low = _mm256_add_epi32(sums.low, _mm256_madd_epi16(pixels, low));
  sums.high = _mm256_add_epi32(sums.high, _mm256_madd_epi16(pixels, high));
}

AVX2_INLINE __m256i rounded(const Sums& sums) {
  return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(sums.high, kLowBits), sums.low),
                           kWeightBits);
}

AVX2_INLINE __m256i half() { return _mm256_set1_epi32(1 << (kWeightBits - 1)); }

AVX2_INLINE __m256i load_two(const uint8_t* a, const uint8_t* b) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a))),
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), 1);
}

AVX2_INLINE __m256i load_block(const uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

// Bytes of two RGB pixels, as 16-bit pairs (r r, g g, b b, 0 0), in both 128-bit lanes.
AVX2_INLINE __m256i pair_shuffle(int first) {
  const char a = static_cast<char>(first), z = -128;
  return _mm256_setr_epi8(a, z, a + 3, z, a + 1, z, a + 4, z, a + 2, z, a + 5, z, z, z, z, z,  //
                          a, z, a + 3, z, a + 1, z, a + 4, z, a + 2, z, a + 5, z, z, z, z, z);
}

// One output pixel of four rows: rows 0 and 1 in a, rows 2 and 3 in b, one in each lane.
template <int Pairs>
AVX2_INLINE void four_rows(const uint8_t* const* rows, ptrdiff_t at, const int32_t* halves,
                           int pair_count, __m256i& a, __m256i& b) {
  Sums sums_a = {half(), _mm256_setzero_si256()}, sums_b = sums_a;
  const int pairs = Pairs > 0 ? Pairs : pair_count;
#pragma GCC unroll 8
  for (int p = 0; p < pairs; p += 2, at += 12, halves += 4) {
    const __m256i pixels_a = load_two(rows[0] + at, rows[1] + at);
    const __m256i pixels_b = load_two(rows[2] + at, rows[3] + at);
    const __m256i low = _mm256_set1_epi32(halves[0]), high = _mm256_set1_epi32(halves[1]);
    add_pair(sums_a, _mm256_shuffle_epi8(pixels_a, pair_shuffle(0)), low, high);
    add_pair(sums_b, _mm256_shuffle_epi8(pixels_b, pair_shuffle(0)), low, high);
    if (p + 1 == pairs) break;
    const __m256i low2 = _mm256_set1_epi32(halves[2]), high2 = _mm256_set1_epi32(halves[3]);
    add_pair(sums_a, _mm256_shuffle_epi8(pixels_a, pair_shuffle(6)), low2, high2);
    add_pair(sums_b, _mm256_shuffle_epi8(pixels_b, pair_shuffle(6)), low2, high2);
  }
  a = rounded(sums_a);
  b = rounded(sums_b);
}

AVX2_INLINE void store_pixels(__m128i pixels, bool room, uint8_t* out) {
  if (room) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), pixels);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), pixels);
    const int32_t rest = _mm_extract_epi32(pixels, 2);
    std::memcpy(out + 8, &rest, sizeof rest);
  }
}

// Stores four RGB pixels to each of two rows: 12 bytes, or 16 where there is room.
AVX2_INLINE void store_two(const __m256i* pixels, bool room, uint8_t* first, uint8_t* second) {
  const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(pixels[0], pixels[1]),
                                            _mm256_packs_epi32(pixels[2], pixels[3]));
  const __m256i close = _mm256_setr_epi8(
      0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1,  //
      0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
  const __m256i closed = _mm256_shuffle_epi8(bytes, close);
  store_pixels(_mm256_castsi256_si128(closed), room, first);
  store_pixels(_mm256_extracti128_si256(closed, 1), room, second);
}

template <int Pairs>
AVX2 void across_rgb(const Axis& axis, const uint8_t* const* rows, uint8_t* const* out) {
  for (int done = 0; done < axis.outputs; done += kOutputsAtOnce) {
    // the last step goes over some outputs again rather than past the end
    const int from = std::min(done, axis.outputs - kOutputsAtOnce);
    __m256i a[kOutputsAtOnce], b[kOutputsAtOnce];
#pragma GCC unroll 4
    for (int k = 0; k < kOutputsAtOnce; ++k) {
      const int i = from + k;
      const int32_t* halves = &axis.halves[static_cast<size_t>(i) * axis.stride];
      four_rows<Pairs>(rows, static_cast<ptrdiff_t>(axis.start[i]) * 3, halves,
                       (axis.taps + 1) / 2, a[k], b[k]);
    }
    const bool room = from + 6 <= axis.outputs;  // 16 bytes are five pixels and a third
    store_two(a, room, out[0] + from * 3, out[1] + from * 3);
    store_two(b, room, out[2] + from * 3, out[3] + from * 3);
  }
}

void across(const Axis& axis, const uint8_t* const* rows, int channels, uint8_t* const* out) {
  if (channels != 3 || axis.outputs < kOutputsAtOnce)
    return kScalarPasses.across(axis, rows, channels, out);
  switch ((axis.taps + 1) / 2) {
    case 1: return across_rgb<1>(axis, rows, out);
    case 2: return across_rgb<2>(axis, rows, out);
    case 3: return across_rgb<3>(axis, rows, out);
    case 4: return across_rgb<4>(axis, rows, out);
    default: return across_rgb<0>(axis, rows, out);
  }
}

// 32 columns of one output row.
template <int Pairs>
AVX2_INLINE void block_down(const int32_t* halves, const uint8_t* rows, ptrdiff_t stride, int count,
                            uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256();
  const Sums none = {half(), zero};
  Sums sums[4] = {none, none, none, none};
  const int pairs = Pairs > 0 ? Pairs : (count + 1) / 2;
#pragma GCC unroll 4
  for (int p = 0; p < pairs; ++p) {
    const __m256i a = load_block(rows + 2 * p * stride);
    // past the last tap the weight is zero: any row that exists will do
    const __m256i b = load_block(rows + std::min(2 * p + 1, count - 1) * stride);
    const __m256i low = _mm256_set1_epi32(halves[2 * p]);
    const __m256i high = _mm256_set1_epi32(halves[2 * p + 1]);
    const __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpackhi_epi8(a, b);
    add_pair(sums[0], _mm256_unpacklo_epi8(ab, zero), low, high);
    add_pair(sums[1], _mm256_unpackhi_epi8(ab, zero), low, high);
    add_pair(sums[2], _mm256_unpacklo_epi8(cd, zero), low, high);
    add_pair(sums[3], _mm256_unpackhi_epi8(cd, zero), low, high);
  }
  const __m256i bytes =
      _mm256_packus_epi16(_mm256_packs_epi32(rounded(sums[0]), rounded(sums[1])),
                          _mm256_packs_epi32(rounded(sums[2]), rounded(sums[3])));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
}

template <int Pairs>
AVX2 void row_down(const Axis& axis, int index, const uint8_t* rows, ptrdiff_t stride,
                   size_t nbytes, uint8_t* out) {
  const int32_t* halves = &axis.halves[static_cast<size_t>(index) * axis.stride];
  for (size_t done = 0; done < nbytes; done += 32) {
    const size_t from = std::min(done, nbytes - 32);
    block_down<Pairs>(halves, rows + from, stride, axis.count[index], out + from);
  }
}

void down(const Axis& axis, int index, const uint8_t* rows, ptrdiff_t stride, size_t nbytes,
          uint8_t* out) {
  if (nbytes < 32) return kScalarPasses.down(axis, index, rows, stride, nbytes, out);
  switch ((axis.count[index] + 1) / 2) {
    case 1: return row_down<1>(axis, index, rows, stride, nbytes, out);
    case 2: return row_down<2>(axis, index, rows, stride, nbytes, out);
    case 3: return row_down<3>(axis, index, rows, stride, nbytes, out);
    default: return row_down<0>(axis, index, rows, stride, nbytes, out);
  }
}

}  // namespace

const ResizePasses kAvx2Passes = {across, down, row_extent_by_four};

}  // namespace imnet

#endif
