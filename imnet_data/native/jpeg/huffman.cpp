#include "jpeg/huffman.hpp"

#include <algorithm>
#include <cstring>

namespace imnet {
namespace {

constexpr int kZeroRun = 0xF0;

bool ends_block(int symbol) { return (symbol & 15) == 0 && symbol != kZeroRun; }

uint64_t pack(int bits, int size, int advance, int first_advance, int first, int second) {
  return uint64_t(bits) | uint64_t(size) << 8 | uint64_t(advance) << 16 |
         uint64_t(first_advance) << 24 | uint64_t(uint16_t(first)) << 32 |
         uint64_t(uint16_t(second)) << 48;
}

// Entries for what comes after the first symbol, for windows of each width below kLookupBits: those
// of n bits are at 1 << n.
using Parts = std::array<uint64_t, kLookupSize>;

// Calls `write` with each code of at most `width` bits and its symbol, in the order of the windows.
// It fills the windows that begin with the code, and returns their end. The rest is filled with
// `other`.
template <typename Entry, typename Write>
void fill_windows(const HuffmanSpec& spec, int width, Entry other, Entry* out, Write write) {
  Entry* const end = out + (1 << width);
  int next = 0;
  for (int length = 1; length <= width; ++length)
    for (int i = 0; i < spec.counts[length]; ++i) {
      write(length, spec.symbols[next++], out);
      out += 1 << (width - length);
    }
  std::fill(out, end, other);
}

// The end of a block, where it comes next.
void fill_ends(const HuffmanSpec& spec, int width, uint64_t* out) {
  fill_windows(spec, width, uint64_t(0), out, [width](int length, int symbol, uint64_t* to) {
    std::fill_n(to, 1 << (width - length),
                ends_block(symbol) ? pack(length, 0, kEndOfBlock, 0, 0, 0) : 0);
  });
}

// A symbol of which the code and the sign are within `width` bits.
template <typename Entry>
void fill_signs(int length, int width, Entry negative, Entry positive, Entry* out) {
  const int half = 1 << (width - length - 1);
  std::fill_n(out, half, negative);
  std::fill_n(out + half, half, positive);
}

// The first of two symbols, and after it what `after` has; or the second one, and the end of block.
template <bool kFirst>
void fill_symbols(const HuffmanSpec& spec, int width, const Parts& after, uint64_t* out) {
  constexpr uint64_t kUnknown = kFirst ? kUnknownSymbol : 0;
  const auto one = [](int bits, int size, int advance, int first_advance, int value) {
    return kFirst ? pack(bits, size, advance, first_advance, value, 0)
                  : pack(bits, size, advance, 0, 0, value);
  };
  fill_windows(spec, width, kUnknown, out, [&](int length, int symbol, uint64_t* to) {
    const int size = symbol & 15, bits = length + size, advance = (symbol >> 4) + 1;
    if (ends_block(symbol)) {
      std::fill_n(to, 1 << (width - length), one(length, 0, kEndOfBlock + 1, 1, 0));
    } else if (bits <= width) {
      const int count = 1 << (width - bits);
      for (int i = 0; i < 1 << size; ++i, to += count) {
        const uint64_t own = one(bits, 0, advance, advance, extend(i, size));
        for (int k = 0; k < count; ++k) to[k] = own + after[count + k];
      }
    } else if (length < width && kLookupBits - width + bits <= kMaxEntryBits) {
      const uint64_t positive = pack(bits, size, advance, kFirst ? kBeyond : 0, 0, 0);
      const uint64_t negative = positive + pack(0, 0, 0, 0, 0, negative_base(size));
      fill_signs(length, width, negative, positive, to);
    } else {
      std::fill_n(to, 1 << (width - length), kUnknown);
    }
  });
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
  offsets[0] = 0;
  uint32_t code = 0;
  int next = 0;
  for (int bits = 1; bits <= 16; ++bits) {
    offsets[bits] = next - int(code);
    code += spec.counts[bits];
    next += spec.counts[bits];
    // no code may be all ones; libjpeg checks this, too
    if (spec.counts[bits] != 0 && code >= 1u << bits) return false;
    limits[bits - 1] = uint16_t(code << (16 - bits));
    code <<= 1;
  }
  return spec.symbol_count > 0;
}

HuffmanCodes::Symbol HuffmanCodes::find(uint32_t window) const {
  int bits = 1;
  for (const uint16_t limit : limits) bits += window >= limit;
  return bits > 16 ? Symbol{17, 0} : Symbol{bits, symbol(window, bits)};
}

bool AcTable::build(const HuffmanSpec& spec) {
  if (!codes.build(spec)) return false;
  Parts ends, seconds;
  for (int width = 0; width < kLookupBits; ++width) {
    fill_ends(spec, width, &ends[1 << width]);
    fill_symbols<false>(spec, width, ends, &seconds[1 << width]);
  }
  fill_symbols<true>(spec, kLookupBits, seconds, entries.data());
  return true;
}

bool DcTable::build(const HuffmanSpec& spec) {
  if (!codes.build(spec)) return false;
  for (int i = 0; i < spec.symbol_count; ++i)
    if (spec.symbols[i] > 15) return false;
  constexpr int width = kLookupBits;
  fill_windows(spec, width, 0u, entries.data(), [](int length, int size, uint32_t* to) {
    const int bits = length + size;
    const uint32_t taken = bits | size << 8;
    if (bits <= width) {
      const int count = 1 << (width - bits);
      for (int i = 0; i < 1 << size; ++i, to += count)
        std::fill_n(to, count, bits | uint32_t(uint16_t(extend(i, size))) << 16);
    } else if (length < width && bits <= kMaxEntryBits) {
      fill_signs(length, width, taken | uint32_t(uint16_t(negative_base(size))) << 16, taken, to);
    } else {
      std::fill_n(to, 1 << (width - length), 0);
    }
  });
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
