#include "jpeg/dc_codes.hpp"

#include <algorithm>

#include "jpeg/append.hpp"

namespace imnet {
int difference_size(int value) {
  const unsigned size = value < 0 ? 0u - unsigned(value) : unsigned(value);
  return size == 0 ? 0 : 32 - __builtin_clz(size);
}

bool add_codes(HuffmanSpec& spec, const std::vector<uint8_t>& symbols) {
  HuffmanCodes codes;
  if (!codes.build(spec)) return false;
  int length = 16;
  while (length > 0 && spec.counts[length] == 0) --length;
  const uint32_t free = codes.limits[15];  // the first 16-bit window above all codes
  for (; length <= 16; ++length) {
    const uint32_t last = (free >> (16 - length)) + uint32_t(symbols.size());
    if (last < 1u << length) break;
  }
  if (length > 16 || spec.symbol_count + symbols.size() > 256) return false;
  for (uint8_t symbol : symbols) spec.symbols[spec.symbol_count++] = symbol;
  spec.counts[length] = uint8_t(spec.counts[length] + symbols.size());
  return true;
}

bool remove_codes(HuffmanSpec& spec, int count) {
  int length = 16;
  while (length > 0 && spec.counts[length] == 0) --length;
  if (count > spec.counts[length]) return false;
  spec.counts[length] = uint8_t(spec.counts[length] - count);
  spec.symbol_count -= count;
  return true;
}

bool append_header(const uint8_t* data, size_t end, const JpegHeader& header,
                   const DcSpecs& tables,
                   std::vector<uint8_t>& out) {
  std::vector<int> order;
  for (int id = 0; id < 4; ++id)
    if (header.dc[id].offset != 0 && header.dc[id].symbol_count != tables[id].symbol_count)
      order.push_back(id);
  std::sort(order.begin(), order.end(),
            [&](int a, int b) { return header.dc[a].offset < header.dc[b].offset; });
  size_t at = 0;
  const size_t start = out.size();
  for (int id : order) {
    const HuffmanSpec &old = header.dc[id], &table = tables[id];
    append(out, data + at, data + old.offset + 1);
    append(out, table.counts.data() + 1, table.counts.data() + 17);
    append(out, table.symbols.data(), table.symbols.data() + table.symbol_count);
    at = old.offset + 17 + old.symbol_count;
    if (at > end) return false;
    // only the tables of earlier segments have moved the start of this one
    ptrdiff_t before = 0;
    for (int other : order)
      if (header.dc[other].segment < old.segment)
        before += tables[other].symbol_count - header.dc[other].symbol_count;
    uint8_t* const length = out.data() + start + old.segment + before + 2;
    const int nbytes = (length[0] << 8 | length[1]) + table.symbol_count - old.symbol_count;
    length[0] = uint8_t(nbytes >> 8);
    length[1] = uint8_t(nbytes);
  }
  append(out, data + at, data + end);
  return true;
}

DcEncoder::DcEncoder(const HuffmanSpec& spec) {
  int code = 0, next = 0;
  for (int length = 1; length <= 16; ++length, code <<= 1)
    for (int i = 0; i < spec.counts[length]; ++i, ++code, ++next) {
      const int symbol = spec.symbols[next];
      if (symbol > 15 || lengths_[symbol] != 0) continue;
      codes_[symbol] = uint16_t(code);
      lengths_[symbol] = uint8_t(length);
    }
}

int DcEncoder::length(int value) const {
  const int size = difference_size(value);
  return size > 15 || lengths_[size] == 0 ? 0 : lengths_[size] + size;
}

bool DcEncoder::put(int value, BitWriter& writer) const {
  if (length(value) == 0) return false;
  const int size = difference_size(value);
  writer.put(codes_[size], lengths_[size]);
  writer.put(unsigned(value < 0 ? value - negative_base(size) : value), size);
  return true;
}

}  // namespace imnet
