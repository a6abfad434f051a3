#include "packed/encoder.hpp"

namespace imnet {

void SymbolEncoder::build(const HuffmanSpec& spec) {
  codes_.fill(0);
  uint32_t code = 0;
  int next = 0;
  for (uint32_t length = 1; length <= 16; ++length, code <<= 1)
    for (int i = 0; i < spec.counts[length]; ++i, ++code, ++next) {
      uint32_t& entry = codes_[spec.symbols[next]];
      if (entry == 0) entry = code << 8 | length;
    }
}

ScanWriter::ScanWriter(std::vector<uint8_t>& out)
    : out_(out), stuff_(kernels().stuff), chunk_(kChunk + kMcuRoom + kStuffingSlack),
      next_(chunk_.data()) {}

void ScanWriter::flush() {
  const size_t nbytes = next_ - chunk_.data(), start = out_.size();
  out_.resize(start + 2 * nbytes + kStuffingSlack);
  uint8_t* const end = stuff_(chunk_.data(), 0, nbytes, out_.data() + start);
  out_.resize(end - out_.data());
  next_ = chunk_.data();
}

void ScanWriter::finish(unsigned pad) {
  const unsigned missing = (8 - count_) & 7;
  if (missing != 0) put(pad & ((1u << missing) - 1), missing);
  flush();
}

void ScanWriter::mark(uint8_t code) {
  out_.push_back(0xFF);
  out_.push_back(code);
}

}  // namespace imnet
