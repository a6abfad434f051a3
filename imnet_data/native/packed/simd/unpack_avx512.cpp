// Two blocks at a time: read one after the other, and transformed together.
#include "packed/unpack.hpp"

#if defined(__x86_64__)

#include <array>

#include "jpeg/simd/idct_avx512.hpp"

#define IMNET_UNPACK_INLINE IMNET_AVX512_VBMI_INLINE
#define IMNET_AVX512_VBMI_INLINE IMNET_AVX512_VBMI __attribute__((always_inline)) static inline
#include "packed/simd/bits_bmi2.hpp"
#include "packed/scalar_block.hpp"

namespace imnet {
namespace {

alignas(64) constexpr std::array<uint8_t, 64> kPositions = positions_of_places();

struct Coefficients {  // in the order of the transform
  __m512i upper, lower;
};

// Places the wide values of a block; nullptr where there are too many.
IMNET_AVX512_VBMI __attribute__((noinline)) const uint8_t* place_wide(const uint8_t* next,
                                                                      Coefficients* values) {
  alignas(64) int16_t places[64];
  _mm512_store_si512(places, values->upper);
  _mm512_store_si512(places + 32, values->lower);
  next = take_wide(next, [&](int position, int value) {
    if (position != 0) places[kZigzagPlaces[position]] = int16_t(value);
  });
  values->upper = _mm512_load_si512(places);
  values->lower = _mm512_load_si512(places + 32);
  return next;
}

IMNET_AVX512_VBMI_INLINE const uint8_t* unpack_block(const uint8_t* next, int& prediction,
                                                     Coefficients& values) {
  unsigned groups;
  PackedBlock block;
  alignas(64) uint64_t lanes[8] = {};
  next = read_fields(next, block, groups);
  prediction = int(unsigned(prediction) + unsigned(block.difference));
  next = read_values(next, block, groups, lanes);
  const __m512i coded = _mm512_load_si512(lanes), one = _mm512_set1_epi8(1);
  const __mmask64 there = block.masks & ~uint64_t(1);
  const __m512i magnitude = _mm512_maskz_add_epi8(
      there, _mm512_and_si512(_mm512_srli_epi16(coded, 1), _mm512_set1_epi8(0x7F)), one);
  const __mmask64 negative = _mm512_mask_test_epi8_mask(there, coded, one);
  const __m512i zigzag =
      _mm512_mask_sub_epi8(magnitude, negative, _mm512_setzero_si512(), magnitude);
  const __m512i placed =
      _mm512_permutexvar_epi8(_mm512_load_si512(kPositions.data()), zigzag);
  values.upper = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(placed));
  values.lower = _mm512_cvtepi8_epi16(_mm512_extracti64x4_epi64(placed, 1));
  values.upper = _mm512_mask_set1_epi16(values.upper, 1, int16_t(prediction));
  if (__builtin_expect(block.wide(), 0)) next = place_wide(next, &values);
  return next;
}

// A block that is beyond what two transforms at once may be given.
IMNET_AVX512_VBMI __attribute__((noinline)) void transform_alone(const Coefficients& values,
                                                                 const int16_t* quant,
                                                                 const BlockTarget& to) {
  alignas(64) int16_t places[64];
  _mm512_store_si512(places, values.upper);
  _mm512_store_si512(places + 32, values.lower);
  idct_scalar(places, quant, to.out, to.stride);
}

}  // namespace

IMNET_AVX512_VBMI bool unpack_avx512(ScanPlan& plan, UnpackStream& stream, const ScanRun& run) {
  const uint8_t* next = stream.next;
  Dequantised pending{};
  BlockTarget pending_to{nullptr, 0};
  for (int column = run.column; column < run.column + run.count; ++column) {
    const bool wanted = column >= plan.first_column;
    for (int i = 0; i < plan.block_count; ++i) {
      const ScanBlock& block = plan.blocks[i];
      int& prediction = stream.predictions[block.component];
      if (!wanted) {
        next = skip_block(next, prediction);
        if (next == nullptr) return false;
        continue;
      }
      Coefficients values;
      next = unpack_block(next, prediction, values);
      if (next == nullptr) return false;
      const Dequantised found = {
          _mm512_mullo_epi16(values.upper, _mm512_load_si512(block.quant)),
          _mm512_mullo_epi16(values.lower, _mm512_load_si512(block.quant + 32))};
      const BlockTarget to = {
          block.samples + run.row * block.row_step + column * block.column_step, block.stride};
      if (__builtin_expect(wraps(found), 0)) {
        transform_alone(values, block.quant, to);
      } else if (pending_to.out == nullptr) {
        pending = found;
        pending_to = to;
      } else {
        idct_two_blocks(pending, found, pending_to, to);
        pending_to.out = nullptr;
      }
    }
    if (next > stream.end) return false;
  }
  if (pending_to.out != nullptr) idct_two_blocks(pending, pending, pending_to, pending_to);
  stream.next = next;
  return true;
}

}  // namespace imnet

#endif
