#if defined(__x86_64__)

#include <array>
#include <cstring>

#include "cpu/features.hpp"
#include "jpeg/idct.hpp"

#define IMNET_UNPACK_INLINE IMNET_AVX2 __attribute__((always_inline)) static inline
#include "packed/simd/bits_bmi2.hpp"

namespace imnet {
namespace {

IMNET_UNPACK_INLINE const uint8_t* read_coded(const uint8_t* next, PackedBlock& block,
                                              uint8_t* coded) {
  unsigned groups;
  uint64_t lanes[8] = {};
  next = read_fields(next, block, groups);
  next = read_values(next, block, groups, lanes);
  std::memcpy(coded, lanes, sizeof lanes);
  return next;
}

}  // namespace
}  // namespace imnet

#define IMNET_ENCODE_TARGET IMNET_AVX2
#define IMNET_ENCODE_NAME encode_avx2
#define IMNET_READ_CODED read_coded
#include "packed/encode_loop.hpp"

#endif
