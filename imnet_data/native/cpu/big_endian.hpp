// Words of eight bytes, the first byte highest.
#pragma once

#include <cstdint>
#include <cstring>

namespace imnet {

inline uint64_t load_big_endian(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

inline void store_big_endian(uint8_t* bytes, uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  std::memcpy(bytes, &word, 8);
}

}  // namespace imnet
