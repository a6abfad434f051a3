#include "jpeg/huffman.hpp"

#include <cstring>

namespace imnet {
namespace {

constexpr int kZeroRun = 0xF0;

// The symbol at the front of a lookup window, as if the window were all there is.
struct Front {
  uint8_t code_bits = 0;  // 0: the code is longer than the window
  uint8_t bits = 0;       // with the value
  uint8_t size = 0;       // of the value
  uint8_t symbol = 0;
  int16_t value = 0;  // right where `bits` lie in the window
  int16_t base = 0;   // what to add to the value's bits, right where its sign lies in the window
};

using Fronts = std::array<Front, kLookupSize>;

void find_fronts(const HuffmanSpec& spec, Fronts& fronts) {
  int next = 0, window = 0;
  for (int length = 1; length <= kLookupBits; ++length)
    for (int i = 0; i < spec.counts[length]; ++i, ++next) {
      const int symbol = spec.symbols[next], size = symbol & 15, left = kLookupBits - length;
      Front front;
      front.code_bits = uint8_t(length);
      front.bits = uint8_t(length + size);
      front.size = uint8_t(size);
      front.symbol = uint8_t(symbol);
      const int below = negative_base(size), half = (1 << left) >> 1;
      for (int tail = 0; tail < 1 << left; ++tail) {
        front.base = int16_t(tail < half ? below : 0);
        front.value = int16_t(front.base + (size <= left ? tail >> (left - size) : 0));
        fronts[window++] = front;
      }
    }
  for (; window < kLookupSize; ++window) fronts[window] = Front();
}

enum class Seen { nothing, sign, all };

// What is known of a symbol when only the first `left` bits of its window are.
Seen seen(const Front& front, int left) {
  if (front.code_bits == 0 || front.code_bits > left) return Seen::nothing;
  if (front.bits <= left) return Seen::all;
  return front.code_bits < left && front.bits <= kMaxEntryBits ? Seen::sign : Seen::nothing;
}

bool ends_block(const Front& front) { return front.size == 0 && front.symbol != kZeroRun; }

int advance_of(const Front& front) { return (front.symbol >> 4) + 1; }

uint64_t pack(int bits, int size, int advance, int first_advance, int first, int second) {
  return uint64_t(bits) | uint64_t(size) << 8 | uint64_t(advance) << 16 |
         uint64_t(first_advance) << 24 | uint64_t(uint16_t(first)) << 32 |
         uint64_t(uint16_t(second)) << 48;
}

uint64_t ac_entry(const Fronts& fronts, uint32_t window) {
  constexpr uint32_t mask = kLookupSize - 1;
  const Front& a = fronts[window];
  const Seen seen_a = seen(a, kLookupBits);
  if (seen_a == Seen::nothing) return kUnknownSymbol;
  if (ends_block(a)) return pack(a.bits, 0, kEndOfBlock + 1, 1, 0, 0);
  const int advance_a = advance_of(a);
  if (seen_a == Seen::sign) return pack(a.bits, a.size, advance_a, advance_a, 0, a.base);

  const int left = kLookupBits - a.bits;
  const Front& b = fronts[(window << a.bits) & mask];
  const Seen seen_b = seen(b, left);
  if (seen_b == Seen::nothing || a.bits + b.bits > kMaxEntryBits)
    return pack(a.bits, 0, advance_a, advance_a, a.value, a.value);
  int bits = a.bits + b.bits;
  if (ends_block(b)) return pack(bits, 0, kEndOfBlock + advance_a + 1, advance_a, a.value, 0);
  int advance = advance_a + advance_of(b);
  if (seen_b == Seen::sign) return pack(bits, b.size, advance, advance_a, a.value, b.base);

  const Front& c = fronts[(window << bits) & mask];
  if (seen(c, left - b.bits) == Seen::all && ends_block(c)) {
    bits += c.bits;
    advance += kEndOfBlock;
  }
  return pack(bits, 0, advance, advance_a, a.value, b.value);
}

HuffmanSpec make_spec(const std::array<uint8_t, 17>& counts, const uint8_t* symbols, int count) {
  HuffmanSpec spec;
  spec.counts = counts;
  spec.symbol_count = count;
  std::memcpy(spec.symbols.data(), symbols, count);
  return spec;
}

constexpr uint8_t kDcSymbols[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
constexpr uint8_t kAcLuma[162] = {
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61,
    0x07, 0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52,
    0xD1, 0xF0, 0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25,
    0x26, 0x27, 0x28, 0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45,
    0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64,
    0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6,
    0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3,
    0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8,
    0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,};
constexpr uint8_t kAcChroma[162] = {
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61,
    0x71, 0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33,
    0x52, 0xF0, 0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18,
    0x19, 0x1A, 0x26, 0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44,
    0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63,
    0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97,
    0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4,
    0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA,
    0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7,
    0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA,};

}  // namespace

bool HuffmanCodes::build(const HuffmanSpec& spec) {
  symbols = spec.symbols;
  limits[0] = 0;
  offsets[0] = 0;
  uint32_t code = 0;
  int next = 0;
  for (int bits = 1; bits <= 16; ++bits) {
    offsets[bits] = next - int(code);
    code += spec.counts[bits];
    next += spec.counts[bits];
    // no code may be all ones; libjpeg checks this, too
    if (spec.counts[bits] != 0 && code >= 1u << bits) return false;
    limits[bits] = code << (16 - bits);
    code <<= 1;
  }
  return spec.symbol_count > 0;
}

HuffmanCodes::Symbol HuffmanCodes::find(uint32_t window) const {
  int bits = 1;
  for (int length = 1; length <= 16; ++length) bits += window >= limits[length];
  if (bits > 16) return {17, 0};
  return {bits, symbols[((window >> (16 - bits)) + offsets[bits]) & 255]};
}

bool AcTable::build(const HuffmanSpec& spec) {
  if (!codes.build(spec)) return false;
  Fronts fronts;
  find_fronts(spec, fronts);
  for (int window = 0; window < kLookupSize; ++window) entries[window] = ac_entry(fronts, window);
  return true;
}

bool DcTable::build(const HuffmanSpec& spec) {
  if (!codes.build(spec)) return false;
  for (int i = 0; i < spec.symbol_count; ++i)
    if (spec.symbols[i] > 15) return false;
  Fronts fronts;
  find_fronts(spec, fronts);
  for (int window = 0; window < kLookupSize; ++window) {
    const Front& front = fronts[window];
    const Seen what = seen(front, kLookupBits);
    entries[window] = what == Seen::all ? front.bits | uint32_t(uint16_t(front.value)) << 16
                      : what == Seen::sign
                          ? front.bits | front.size << 8 | uint32_t(uint16_t(front.base)) << 16
                          : 0;
  }
  return true;
}

const HuffmanSpec& default_dc_table(int id) {
  static const HuffmanSpec tables[2] = {
      make_spec({0, 0, 1, 5, 1, 1, 1, 1, 1, 1}, kDcSymbols, 12),
      make_spec({0, 0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, kDcSymbols, 12)};
  return tables[id];
}

const HuffmanSpec& default_ac_table(int id) {
  static const HuffmanSpec tables[2] = {
      make_spec({0, 0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125}, kAcLuma, 162),
      make_spec({0, 0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119}, kAcChroma, 162)};
  return tables[id];
}

}  // namespace imnet
