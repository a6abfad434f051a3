// CRC-32C (Castagnoli), by tables or by the instruction that a processor has for it.
//
// A CRC is the remainder of the message, read as a polynomial over GF(2), modulo P; in a register
// the coefficient of x^31 is the lowest bit. Two messages' remainders are combined by multiplying
// that of the first by x^(8 n), n the bytes of the second: so the three thirds of a message are
// divided at once, as an instruction waits three times as long for its result as for its turn.
//
// Source: RFC 3720, B.4, for the polynomial and test vectors.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/little_endian.hpp"

namespace imnet {

// Divides `nbytes` more bytes; the register begins as ones, and its inverse is the CRC.
using Crc32cFunction = uint32_t (*)(uint32_t remainder, const uint8_t* data, size_t nbytes);

uint32_t crc32c_scalar(uint32_t remainder, const uint8_t* data, size_t nbytes);
#if defined(__x86_64__)
uint32_t crc32c_sse42(uint32_t remainder, const uint8_t* data, size_t nbytes);
#elif defined(__aarch64__)
uint32_t crc32c_arm(uint32_t remainder, const uint8_t* data, size_t nbytes);
#endif

constexpr uint32_t kCrc32cPolynomial = 0x82F63B78;  // without x^32

// The remainder times x^(8 nbytes).
uint32_t crc32c_shifted(uint32_t remainder, size_t nbytes);

// `Divide` has the instructions: word(remainder, uint64_t) and byte(remainder, uint8_t).
template <typename Divide>
__attribute__((always_inline)) inline uint32_t crc32c_in_thirds(uint32_t remainder,
                                                               const uint8_t* data, size_t nbytes) {
  constexpr size_t kWord = sizeof(uint64_t), kWorthIt = 3072;
  if (nbytes >= kWorthIt) {
    const size_t third = nbytes / (3 * kWord) * kWord;
    uint32_t second = 0, last = 0;
    for (size_t i = 0; i < third; i += kWord) {
      remainder = Divide::word(remainder, load_little_endian64(data + i));
      second = Divide::word(second, load_little_endian64(data + third + i));
      last = Divide::word(last, load_little_endian64(data + 2 * third + i));
    }
    second ^= crc32c_shifted(remainder, third);
    remainder = last ^ crc32c_shifted(second, third);
    data += 3 * third;
    nbytes -= 3 * third;
  }
  for (; nbytes >= kWord; nbytes -= kWord, data += kWord)
    remainder = Divide::word(remainder, load_little_endian64(data));
  for (; nbytes != 0; --nbytes, ++data) remainder = Divide::byte(remainder, *data);
  return remainder;
}

}  // namespace imnet
