#include "packed/scan_writer.hpp"

namespace imnet {

ScanWriter::ScanWriter(std::vector<uint8_t>& out, BitSink& sink)
    : out_(out), sink_(sink), stuff_(kernels().stuff),
      chunk_(kChunk + kMostEncodedNbytes + kStuffingSlack) {
  sink_.next = chunk_.data();
}

void ScanWriter::flush() {
  const size_t nbytes = sink_.next - chunk_.data(), start = out_.size();
  out_.resize(start + 2 * nbytes + kStuffingSlack);
  uint8_t* const end = stuff_(chunk_.data(), 0, nbytes, out_.data() + start);
  out_.resize(end - out_.data());
  sink_.next = chunk_.data();
}

void ScanWriter::finish(unsigned pad) {
  const unsigned missing = (8 - sink_.count) & 7;
  if (missing != 0) sink_.put(pad & ((1u << missing) - 1), missing);
  flush();
}

void ScanWriter::mark(uint8_t code) {
  out_.push_back(0xFF);
  out_.push_back(code);
}

}  // namespace imnet
