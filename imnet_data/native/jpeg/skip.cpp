#include "jpeg/skip.hpp"

#include <algorithm>

#define IMNET_SKIP_TARGET
#define IMNET_SKIP_NAME skip_scalar
#include "jpeg/skip_loop.hpp"

namespace imnet {
namespace {

// Fills the entries of all windows of `width` bits. `rest[n]` are those of n bits for what comes
// after the first symbol: the bits of its value do not matter, so they repeat.
void fill(const HuffmanSpec& spec, bool dc, int width, const uint16_t* const* rest, uint16_t* out) {
  const uint16_t* const end = out + (1 << width);
  int next = 0;
  for (int length = 1; length <= width; ++length)
    for (int i = 0; i < spec.counts[length]; ++i, ++next) {
      const int symbol = spec.symbols[next], size = symbol & 15, bits = length + size;
      const bool ends = !dc && size == 0 && symbol != 0xF0;
      const int moves = dc ? 1 : ends ? kSkipEnd : (symbol >> 4) + 1;
      const auto own = uint16_t(bits | moves << 6);
      const uint16_t* const stop = out + (1 << (width - length));
      if (ends || bits >= width) {
        const bool fits = bits <= kMaxSkip - (kSkipBits - width);
        while (out < stop) *out++ = fits ? own : 0;
        continue;
      }
      const int count = 1 << (width - bits);
      for (; out < stop; out += count)
        for (int k = 0; k < count; ++k) out[k] = uint16_t(own + rest[width - bits][k]);
    }
  while (out < end) *out++ = 0;
}

}  // namespace

bool SkipTable::build(const BlockSpecs& specs) {
  if (!dc_codes.build(specs.dc) || !ac_codes.build(specs.ac)) return false;
  const auto symbols = specs.dc.symbols.begin();
  if (std::any_of(symbols, symbols + specs.dc.symbol_count, [](int size) { return size > 15; }))
    return false;
  uint16_t shorter[kSkipSize];
  const uint16_t* tails[kSkipBits];
  for (int width = 0; width < kSkipBits; ++width) {
    uint16_t* const out = shorter + (1 << width);
    fill(specs.ac, false, width, tails, out);
    tails[width] = out;
  }
  fill(specs.dc, true, kSkipBits, tails, first.data());
  fill(specs.ac, false, kSkipBits, tails, rest.data());
  for (auto* entries : {&first, &rest})
    std::replace(entries->begin(), entries->end(), uint16_t(0), uint16_t(kSkipUnknown << 6));
  return true;
}

void link(SkipBlock* ring, int count) {
  for (int i = 0; i < count; ++i) {
    SkipBlock &block = ring[i], &next = ring[(i + 1) % count];
    block.next[0] = &block;
    block.next[1] = &next;
    block.after = next.table->first.data();
    block.change = reinterpret_cast<uintptr_t>(block.after) ^
                   reinterpret_cast<uintptr_t>(block.table->rest.data());
  }
}

}  // namespace imnet
