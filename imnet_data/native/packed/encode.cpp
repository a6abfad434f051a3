#include "packed/scalar_block.hpp"

namespace imnet {
namespace {

const uint8_t* read_coded(const uint8_t* next, PackedBlock& block, uint8_t* coded) {
  next = read_packed_block(next, block);
  return take_values(next, block,
                     [&](int position, unsigned value) { coded[position] = uint8_t(value); });
}

}  // namespace
}  // namespace imnet

#define IMNET_ENCODE_TARGET
#define IMNET_ENCODE_NAME encode_scalar
#define IMNET_READ_CODED read_coded
#include "packed/encode_loop.hpp"

namespace imnet {

void SymbolEncoder::build(const HuffmanSpec& spec) {
  entries_.fill(kMissing);
  uint64_t code = 0;
  int next = 0;
  for (uint64_t length = 1; length <= 16; ++length, code <<= 1)
    for (int i = 0; i < spec.counts[length]; ++i, ++code, ++next) {
      const unsigned symbol = spec.symbols[next], size = symbol & 15;
      if (entries_[symbol] == kMissing) entries_[symbol] = code << size << 8 | (length + size);
    }
}

}  // namespace imnet
