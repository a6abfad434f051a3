#if defined(__aarch64__)

#include <arm_acle.h>

#include "cpu/features.hpp"
#include "hash/crc32c.hpp"

namespace imnet {
namespace {

struct Divide {
  IMNET_CRC static uint32_t word(uint32_t remainder, uint64_t word) {
    return __crc32cd(remainder, word);
  }
  IMNET_CRC static uint32_t byte(uint32_t remainder, uint8_t byte) {
    return __crc32cb(remainder, byte);
  }
};

}  // namespace

IMNET_CRC uint32_t crc32c_arm(uint32_t remainder, const uint8_t* data, size_t nbytes) {
  return crc32c_in_thirds<Divide>(remainder, data, nbytes);
}

}  // namespace imnet

#endif
