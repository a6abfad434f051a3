// Entropy-coded data of random Huffman tables, sound or damaged, for the cases of kernels.
#pragma once

#include <array>
#include <cstdlib>

#include "kernel_cases.hpp"

namespace imnet {

constexpr int kTables = 3;
constexpr uint8_t kEndSymbol = 0x00, kZeroRun = 0xF0;

// The most significant bit of each byte first, without stuffing.
class BitAppender {
 public:
  explicit BitAppender(Bytes& bytes) : bytes_(bytes) {}

  void put(uint32_t value, int count) {
    while (count-- > 0) {
      if (used_ == 0) bytes_.push_back(0);
      bytes_.back() = uint8_t(bytes_.back() | (value >> count & 1) << (7 - used_));
      used_ = (used_ + 1) & 7;
    }
  }

 private:
  Bytes& bytes_;
  int used_ = 0;  // bits of the last byte
};

inline void shuffle(Random& random, uint8_t* begin, int count) {
  for (int i = count - 1; i > 0; --i) std::swap(begin[i], begin[random.below(i + 1)]);
}

// A prefix code of some of the symbols, of the first one surely.
inline HuffmanSpec random_spec(Random& random, const Bytes& symbols) {
  HuffmanSpec spec;
  const int wanted = random.between(1, int(symbols.size()));
  int available = 1;
  for (int length = 1; length <= 16; ++length) {
    available *= 2;
    const int most = std::min(available - 1, wanted - spec.symbol_count);
    const int count = length == 16 ? most : random.below(std::min(most, 1 << length / 2) + 1);
    spec.counts[length] = uint8_t(count);
    for (int i = 0; i < count; ++i, ++spec.symbol_count)
      spec.symbols[spec.symbol_count] = symbols[spec.symbol_count];
    available = std::min(available - count, 1 << 16);
  }
  return spec;
}

inline HuffmanSpec random_dc(Random& random) {
  Bytes symbols;
  for (int size = 0; size < 16; ++size) symbols.push_back(uint8_t(size));
  shuffle(random, symbols.data(), 16);
  return random_spec(random, symbols);
}

inline HuffmanSpec random_ac(Random& random) {
  Bytes symbols = {kEndSymbol};
  for (int symbol = 1; symbol < 256; ++symbol) symbols.push_back(uint8_t(symbol));
  shuffle(random, symbols.data() + 1, 255);
  return random_spec(random, symbols);
}

struct Tables {
  std::array<BlockSpecs, kTables> specs;
  std::array<DcTable, kTables> dc;
  std::array<AcTable, kTables> ac;
  std::array<SkipTable, kTables> skip;

  Tables(Random& random, bool large) {
    for (int i = 0; i < kTables; ++i) {
      const bool usual = large || random.one_in(4);
      specs[i].dc = usual ? default_dc_table(i != 0) : random_dc(random);
      specs[i].ac = usual ? default_ac_table(i != 0) : random_ac(random);
      if (!dc[i].build(specs[i].dc) || !ac[i].build(specs[i].ac) || !skip[i].build(specs[i]))
        std::abort();
    }
  }
};

// A symbol as often as its code is short; true where `wanted` takes it, and then it is written.
template <typename Wanted>
int put_symbol(Random& random, const HuffmanCodes& codes, BitAppender& sink, Wanted wanted) {
  for (;;) {
    const auto window = uint32_t(random.below(1 << 16));
    const HuffmanCodes::Symbol found = codes.find(window);
    if (found.bits > 16 || !wanted(found.value)) continue;
    const int size = found.value & 15;
    sink.put(window >> (16 - found.bits), found.bits);
    sink.put(random.one_in(8) ? (1u << size) - 1 : uint32_t(random.below(1 << size)), size);
    return found.value;
  }
}

inline bool ends_block(int symbol) { return (symbol & 15) == 0 && symbol != kZeroRun; }

inline void put_block(Random& random, const HuffmanCodes& dc, const HuffmanCodes& ac, BitAppender& sink) {
  put_symbol(random, dc, sink, [](int) { return true; });
  for (int position = 1; position < 64;) {
    const int symbol = put_symbol(random, ac, sink, [&](int found) {
      return ends_block(found) || position + (found >> 4) < 64;
    });
    position += ends_block(symbol) ? 64 : (symbol >> 4) + 1;
  }
}

// Blocks of an MCU in turn; block i has the tables of component i % kTables.
inline Bytes entropy_coded(Random& random, const Tables& tables, int mcus, int blocks, bool damaged) {
  Bytes data;
  BitAppender sink(data);
  for (int i = 0; i < mcus * blocks; ++i) {
    const int which = i % blocks % kTables;
    put_block(random, tables.dc[which].codes, tables.ac[which].codes, sink);
  }
  if (!damaged) return data;
  for (int flips = random.between(1, 3); flips > 0; --flips)
    data[random.below(int(data.size()))] ^= uint8_t(1 << random.below(8));
  if (random.one_in(3)) data.resize(random.below(int(data.size())));
  return data;
}

inline Bytes padded(const Bytes& data, size_t before) {
  Bytes made(before + data.size() + kScanPadding, 0xC3);
  std::fill_n(made.begin(), before, uint8_t(0x3C));
  const auto end = std::copy(data.begin(), data.end(), made.begin() + ptrdiff_t(before));
  std::fill_n(end, kScanZeros, uint8_t(0));
  return made;
}

}  // namespace imnet
