#include "hash/compress.hpp"

namespace imnet {
namespace {

uint32_t rotated(uint32_t word, int bits) { return word >> bits | word << (32 - bits); }

uint32_t load_word(const uint8_t* bytes) {
  return uint32_t(bytes[0]) << 24 | uint32_t(bytes[1]) << 16 | uint32_t(bytes[2]) << 8 | bytes[3];
}

void compress_block(uint32_t* state, const uint8_t* data) {
  uint32_t words[64];
  for (int t = 0; t < 16; ++t) words[t] = load_word(data + 4 * t);
  for (int t = 16; t < 64; ++t) {
    const uint32_t a = words[t - 15], b = words[t - 2];
    words[t] = words[t - 16] + words[t - 7] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) +
               (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int t = 0; t < 64; ++t) {
    const uint32_t first = h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) +
                           ((e & f) ^ (~e & g)) + kSha256Rounds[t] + words[t];
    const uint32_t second = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) +
                            ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + first;
    d = c;
    c = b;
    b = a;
    a = first + second;
  }
  const uint32_t added[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += added[i];
}

template <int kStreams>
void compress(uint32_t* const* states, const uint8_t** data, size_t blocks) {
  for (int i = 0; i < kStreams; ++i)
    for (size_t block = 0; block < blocks; ++block, data[i] += kShaBlock)
      compress_block(states[i], data[i]);
}

}  // namespace

const Sha256Compress kSha256Scalar[kMaxShaStreams] = {compress<1>, compress<2>, compress<3>};

}  // namespace imnet
