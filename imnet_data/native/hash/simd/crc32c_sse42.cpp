#if defined(__x86_64__)

#include <immintrin.h>

#include "cpu/features.hpp"
#include "hash/crc32c.hpp"

namespace imnet {
namespace {

struct Divide {
  IMNET_SSE42 static uint32_t word(uint32_t remainder, uint64_t word) {
    return uint32_t(_mm_crc32_u64(remainder, word));
  }
  IMNET_SSE42 static uint32_t byte(uint32_t remainder, uint8_t byte) {
    return _mm_crc32_u8(remainder, byte);
  }
};

}  // namespace

IMNET_SSE42 uint32_t crc32c_sse42(uint32_t remainder, const uint8_t* data, size_t nbytes) {
  return crc32c_in_thirds<Divide>(remainder, data, nbytes);
}

}  // namespace imnet

#endif
