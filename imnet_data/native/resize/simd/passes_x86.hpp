// The two passes; included once for each width of vectors, with its header, IMNET_PASSES_NAME and,
// for what is narrower than a vector, IMNET_NARROWER_PASSES defined.
//
// A 22-bit weight times an 8-bit pixel does not fit the 16-bit multiply-add, the fastest integer
// multiplication there is. So a weight is split: high * 2**15 + low, each half gets its own sum of
// 32 bits, and the two are put together at the end. All arithmetic is modulo 2**32, as in the
// scalar code, so the result is the same for any weights.

#include <algorithm>
#include <cstring>

#include "resize/passes.hpp"

#define IMNET_EACH_VECTOR _Pragma("GCC unroll 2") for (int v = 0; v < kVectors; ++v)

namespace imnet {
namespace {

constexpr int kOutputsAtOnce = 4;
constexpr int kVectors = kRowsAtOnce / kVectorLanes;  // with a lane for each row

struct Sums {
  Vector low, high;
};

IMNET_VECTOR_INLINE void add_pair(Sums& sums, Vector pixels, Vector low, Vector high) {
  sums.low = IMNET_MM(add_epi32)(sums.low, IMNET_MM(madd_epi16)(pixels, low));
  sums.high = IMNET_MM(add_epi32)(sums.high, IMNET_MM(madd_epi16)(pixels, high));
}

IMNET_VECTOR_INLINE Vector rounded(const Sums& sums) {
  const Vector high = IMNET_MM(slli_epi32)(sums.high, kLowBits);
  return IMNET_MM(srai_epi32)(IMNET_MM(add_epi32)(high, sums.low), kWeightBits);
}

IMNET_VECTOR_INLINE Vector half() { return IMNET_MM(set1_epi32)(1 << (kWeightBits - 1)); }

// Bytes of two RGB pixels, as 16-bit pairs (r r, g g, b b, 0 0), in each 128-bit lane.
IMNET_VECTOR_INLINE Vector pair_shuffle(int first) {
  const char a = static_cast<char>(first), z = -128;
  return in_each_lane(
      _mm_setr_epi8(a, z, a + 3, z, a + 1, z, a + 4, z, a + 2, z, a + 5, z, z, z, z, z));
}

// One output pixel of four rows, one in each lane.
template <int Pairs>
IMNET_VECTOR_INLINE void four_rows(const uint8_t* const* rows, ptrdiff_t at, const int32_t* halves,
                                   int pair_count, Vector* out) {
  Sums sums[kVectors];
  IMNET_EACH_VECTOR sums[v] = {half(), zeros()};
  const int pairs = Pairs > 0 ? Pairs : pair_count;
#pragma GCC unroll 8
  for (int p = 0; p < pairs; p += 2, at += 12, halves += 4) {
    Vector pixels[kVectors];
    IMNET_EACH_VECTOR pixels[v] = load_lanes(rows + v * kVectorLanes, at);
    const Vector low = IMNET_MM(set1_epi32)(halves[0]), high = IMNET_MM(set1_epi32)(halves[1]);
    IMNET_EACH_VECTOR
      add_pair(sums[v], IMNET_MM(shuffle_epi8)(pixels[v], pair_shuffle(0)), low, high);
    if (p + 1 == pairs) break;
    const Vector low2 = IMNET_MM(set1_epi32)(halves[2]), high2 = IMNET_MM(set1_epi32)(halves[3]);
    IMNET_EACH_VECTOR
      add_pair(sums[v], IMNET_MM(shuffle_epi8)(pixels[v], pair_shuffle(6)), low2, high2);
  }
  IMNET_EACH_VECTOR out[v] = rounded(sums[v]);
}

IMNET_VECTOR_INLINE void store_pixels(__m128i pixels, bool room, uint8_t* out) {
  if (room) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), pixels);
  } else {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), pixels);
    const int32_t rest = _mm_extract_epi32(pixels, 2);
    std::memcpy(out + 8, &rest, sizeof rest);
  }
}

// Stores four RGB pixels to the row of each lane: 12 bytes, or 16 where there is room.
IMNET_VECTOR_INLINE void store_lanes(const Vector* pixels, bool room, uint8_t* const* rows,
                                     int at) {
  const Vector bytes =
      IMNET_MM(packus_epi16)(IMNET_MM(packs_epi32)(pixels[0], pixels[1]),
                             IMNET_MM(packs_epi32)(pixels[2], pixels[3]));
  const Vector closed = IMNET_MM(shuffle_epi8)(
      bytes,
      in_each_lane(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1)));
  store_pixels(lane_of<0>(closed), room, rows[0] + at);
  store_pixels(lane_of<1>(closed), room, rows[1] + at);
  if constexpr (kVectorLanes == 4) {
    store_pixels(lane_of<2>(closed), room, rows[2] + at);
    store_pixels(lane_of<3>(closed), room, rows[3] + at);
  }
}

template <int Pairs>
IMNET_VECTOR_TARGET void across_rgb(const Axis& axis, const uint8_t* const* rows,
                                    uint8_t* const* out) {
  for (int done = 0; done < axis.outputs; done += kOutputsAtOnce) {
    // the last step repeats some outputs rather than go past the end
    const int from = std::min(done, axis.outputs - kOutputsAtOnce);
    Vector pixels[kVectors][kOutputsAtOnce];
#pragma GCC unroll 4
    for (int k = 0; k < kOutputsAtOnce; ++k) {
      const int i = from + k;
      const int32_t* halves = &axis.halves[static_cast<size_t>(i) * axis.stride];
      Vector of_rows[kVectors];
      four_rows<Pairs>(rows, static_cast<ptrdiff_t>(axis.start[i]) * 3, halves,
                       (axis.taps + 1) / 2, of_rows);
      IMNET_EACH_VECTOR pixels[v][k] = of_rows[v];
    }
    const bool room = from + 6 <= axis.outputs;  // 16 bytes are five pixels and a third
    IMNET_EACH_VECTOR
      store_lanes(pixels[v], room, out + v * kVectorLanes, from * 3);
  }
}

void across(const Axis& axis, const uint8_t* const* rows, int channels, uint8_t* const* out) {
  if (channels != 3 || axis.outputs < kOutputsAtOnce)
    return IMNET_NARROWER_PASSES.across(axis, rows, channels, out);
  with_pairs(axis.taps, [&](auto pairs) { across_rgb<pairs()>(axis, rows, out); });
}

// As many columns of one output row as a vector has bytes.
template <int Pairs>
IMNET_VECTOR_INLINE void block_down(const int32_t* halves, const uint8_t* rows, ptrdiff_t stride,
                                    int count, uint8_t* out) {
  const Vector zero = zeros();
  const Sums none = {half(), zero};
  Sums sums[4] = {none, none, none, none};
  const int pairs = Pairs > 0 ? Pairs : (count + 1) / 2;
#pragma GCC unroll 4
  for (int p = 0; p < pairs; ++p) {
    const Vector a = load(rows + 2 * p * stride);
    // past the last tap the weight is zero: any row that exists will do
    const Vector b = load(rows + std::min(2 * p + 1, count - 1) * stride);
    const Vector low = IMNET_MM(set1_epi32)(halves[2 * p]);
    const Vector high = IMNET_MM(set1_epi32)(halves[2 * p + 1]);
    const Vector ab = IMNET_MM(unpacklo_epi8)(a, b), cd = IMNET_MM(unpackhi_epi8)(a, b);
    add_pair(sums[0], IMNET_MM(unpacklo_epi8)(ab, zero), low, high);
    add_pair(sums[1], IMNET_MM(unpackhi_epi8)(ab, zero), low, high);
    add_pair(sums[2], IMNET_MM(unpacklo_epi8)(cd, zero), low, high);
    add_pair(sums[3], IMNET_MM(unpackhi_epi8)(cd, zero), low, high);
  }
  const Vector bytes =
      IMNET_MM(packus_epi16)(IMNET_MM(packs_epi32)(rounded(sums[0]), rounded(sums[1])),
                             IMNET_MM(packs_epi32)(rounded(sums[2]), rounded(sums[3])));
  store(out, bytes);
}

template <int Pairs>
IMNET_VECTOR_TARGET void row_down(const Axis& axis, int index, const uint8_t* rows,
                                  ptrdiff_t stride, size_t nbytes, uint8_t* out) {
  const int32_t* halves = &axis.halves[static_cast<size_t>(index) * axis.stride];
  for (size_t done = 0; done < nbytes; done += kVectorBytes) {
    const size_t from = std::min(done, nbytes - kVectorBytes);
    block_down<Pairs>(halves, rows + from, stride, axis.count[index], out + from);
  }
}

void down(const Axis& axis, int index, const uint8_t* rows, ptrdiff_t stride, size_t nbytes,
          uint8_t* out) {
  if (nbytes < kVectorBytes)
    return IMNET_NARROWER_PASSES.down(axis, index, rows, stride, nbytes, out);
  with_pairs(axis.count[index], [&](auto pairs) {
    row_down<pairs()>(axis, index, rows, stride, nbytes, out);
  });
}

}  // namespace

const ResizePasses IMNET_PASSES_NAME = {across, down, row_extent_by_four};

}  // namespace imnet
