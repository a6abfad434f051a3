// Numbers of two, four and eight bytes, the first byte lowest, anywhere in memory.
#pragma once

#include <cstdint>
#include <cstring>

namespace imnet {

template <typename Number>
inline Number load_little_endian(const uint8_t* bytes) {
  Number number;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(&number, bytes, sizeof number);
#else
  number = 0;
  for (unsigned i = 0; i < sizeof number; ++i) number |= Number(bytes[i]) << 8 * i;
#endif
  return number;
}

inline uint32_t load_little_endian16(const uint8_t* bytes) {
  return load_little_endian<uint16_t>(bytes);
}
inline uint32_t load_little_endian32(const uint8_t* bytes) {
  return load_little_endian<uint32_t>(bytes);
}
inline uint64_t load_little_endian64(const uint8_t* bytes) {
  return load_little_endian<uint64_t>(bytes);
}

template <typename Number>
inline void store_little_endian(uint8_t* bytes, Number number) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(bytes, &number, sizeof number);
#else
  for (unsigned i = 0; i < sizeof number; ++i) bytes[i] = uint8_t(number >> 8 * i);
#endif
}

}  // namespace imnet
