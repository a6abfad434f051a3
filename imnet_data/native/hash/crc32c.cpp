#include "hash/crc32c.hpp"

#include <array>

namespace imnet {
namespace {

constexpr uint32_t times_x(uint32_t remainder) {
  return remainder >> 1 ^ ((remainder & 1) != 0 ? kCrc32cPolynomial : 0);
}

constexpr uint32_t product(uint32_t a, uint32_t b) {
  uint32_t sum = 0;
  for (int power = 31; power >= 0; --power, b = times_x(b)) sum ^= (a >> power & 1) != 0 ? b : 0;
  return sum;
}

// [i][byte]: the remainder of the byte, and i more bytes of zeros
using ByteTables = std::array<std::array<uint32_t, 256>, 8>;

constexpr ByteTables byte_tables() {
  ByteTables made{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    made[0][byte] = byte;
    for (int bit = 0; bit < 8; ++bit) made[0][byte] = times_x(made[0][byte]);
  }
  for (size_t i = 1; i < made.size(); ++i)
    for (size_t byte = 0; byte < 256; ++byte)
      made[i][byte] = made[i - 1][byte] >> 8 ^ made[0][made[i - 1][byte] & 0xFF];
  return made;
}

// [i]: x^(8 2^i)
constexpr std::array<uint32_t, 64> squares() {
  std::array<uint32_t, 64> made{1u << 23};
  for (size_t i = 1; i < made.size(); ++i) made[i] = product(made[i - 1], made[i - 1]);
  return made;
}

constexpr ByteTables kByteTables = byte_tables();
constexpr std::array<uint32_t, 64> kSquares = squares();

}  // namespace

uint32_t crc32c_shifted(uint32_t remainder, size_t nbytes) {
  for (size_t i = 0; nbytes != 0; nbytes >>= 1, ++i)
    if ((nbytes & 1) != 0) remainder = product(kSquares[i], remainder);
  return remainder;
}

uint32_t crc32c_scalar(uint32_t remainder, const uint8_t* data, size_t nbytes) {
  for (; nbytes >= 8; nbytes -= 8, data += 8) {
    const uint64_t word = load_little_endian64(data) ^ remainder;
    remainder = 0;
    for (int i = 0; i < 8; ++i) remainder ^= kByteTables[7 - i][word >> 8 * i & 0xFF];
  }
  for (; nbytes != 0; --nbytes, ++data)
    remainder = remainder >> 8 ^ kByteTables[0][(remainder ^ *data) & 0xFF];
  return remainder;
}

}  // namespace imnet
