#include "packed/packer.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "jpeg/append.hpp"
#include "kernels.hpp"
#include "packed/file.hpp"

namespace imnet {
namespace {

constexpr const char* kDamaged = "its image data is damaged";
constexpr const char* kAmbiguous = "zeros are coded before the end of a block";

// Whether each symbol has one code, so that it can be found again. The symbols of a run alone that
// only progressive images have would end a block, as its own symbol does.
bool has_one_code_each(const HuffmanSpec& spec) {
  std::array<bool, 256> seen{};
  for (int i = 0; i < spec.symbol_count; ++i) {
    const int symbol = spec.symbols[i];
    if (seen[symbol] || (symbol % 16 == 0 && symbol != 0 && symbol != 0xF0)) return false;
    seen[symbol] = true;
  }
  return true;
}

void append_number(std::vector<uint8_t>& out, uint32_t number, int nbytes) {
  for (int i = 0; i < nbytes; ++i) out.push_back(uint8_t(number >> 8 * i));
}

}  // namespace

JpegStatus JpegPacker::plan(const JpegHeader& header) {
  const JpegScan& scan = header.scan;
  if (scan.count != header.component_count) return not_packable("several scans");
  dc_tables_.start_scan();
  ac_tables_.start_scan();
  plan_.block_count = 0;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    const HuffmanSpec &dc = header.dc[scan.dc[i]], &ac = header.ac[scan.ac[i]];
    const DcTable* dc_table = dc_tables_.get(dc);
    const AcTable* ac_table = ac_tables_.get(ac);
    if (dc_table == nullptr || ac_table == nullptr)
      return not_packable("a Huffman table is missing, or is none");
    if (!has_one_code_each(dc) || !has_one_code_each(ac))
      return not_packable("a Huffman table has two codes for the same meaning");
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k) {
      ScanBlock& block = plan_.blocks[plan_.block_count++];
      block = ScanBlock();
      block.dc = dc_table;
      block.ac = ac_table;
      block.component = scan.component[i];
    }
  }
  columns_ = header.mcu_columns();
  return {};
}

JpegStatus JpegPacker::pack_mcus(ScanStream& stream, int64_t first, int64_t last) {
  const PackFunction pack = kernels().pack;
  for (int64_t mcu = first; mcu < last;) {
    const int column = int(mcu % columns_);
    if (column % interval_ == 0) {
      offsets_.push_back(uint32_t(packed_nbytes_));
      before_ = {};
    }
    const int left = std::min(interval_ - column % interval_, columns_ - column);
    const int count = int(std::min<int64_t>(left, last - mcu));
    const size_t room = packed_nbytes_ + size_t(count) * kMostMcuNbytes;
    if (room > UINT32_MAX) return not_packable("it has too many bytes");
    if (packed_.size() < room) packed_.resize(room + room / 2);
    uint8_t* out = packed_.data() + packed_nbytes_;
    const PackOutcome outcome = pack(plan_, stream, count, before_.data(), out);
    if (outcome == PackOutcome::damaged) return not_packable(kDamaged);
    if (outcome == PackOutcome::ambiguous) return not_packable(kAmbiguous);
    packed_nbytes_ = size_t(out - packed_.data());
    mcu += count;
  }
  return {};
}

JpegStatus JpegPacker::pack_scan(const JpegHeader& header, const uint8_t* data, const uint8_t* end,
                                 const uint8_t** stop) {
  const int64_t mcus = int64_t(columns_) * header.mcu_rows();
  const int64_t step = header.restart_interval != 0 ? header.restart_interval : mcus;
  uint8_t* const begin = unstuffed_.reserve(kScanHeadroom + size_t(end - data) + kScanPadding) +
                         kScanHeadroom;
  for (int64_t first = 0, number = 0; first < mcus; first += step, ++number) {
    if (first > 0) {
      if (end - data < 2 || data[1] != 0xD0 + ((number - 1) & 7)) return not_packable(kDamaged);
      data += 2;
    }
    uint8_t* const last = begin + kernels().unstuff(data, end, begin, stop);
    std::memset(last, 0, kScanZeros);
    ScanStream stream;
    stream.start(begin, last);
    const JpegStatus status = pack_mcus(stream, first, std::min(first + step, mcus));
    if (!status) return status;
    const ptrdiff_t left = -stream.overrun(begin);
    if (left < 0) return not_packable(kDamaged);
    if (left > 7) return not_packable("bytes after the last block of the scan");
    pad_ = left == 0 ? 0 : last[-1] & ((1u << left) - 1);
    if (first + step < mcus && pad_ != (1u << left) - 1)
      return not_packable("bits before a restart marker that are not 1");
    data = *stop;
  }
  return {};
}

void JpegPacker::write_file(const uint8_t* data, size_t nbytes, size_t prefix_nbytes,
                            size_t suffix_nbytes, std::vector<uint8_t>& out) const {
  append(out, std::begin(kPackedMagic), std::end(kPackedMagic));
  out.push_back(kPackedVersion);
  out.push_back(uint8_t(pad_));
  append_number(out, uint32_t(interval_), 2);
  append_number(out, uint32_t(prefix_nbytes), 4);
  append_number(out, uint32_t(suffix_nbytes), 4);
  append_number(out, uint32_t(offsets_.size()), 4);
  append_number(out, uint32_t(nbytes), 4);
  append_number(out, 0, 4);
  for (uint32_t offset : offsets_) append_number(out, offset, 4);
  append_number(out, uint32_t(packed_nbytes_), 4);
  append(out, data, data + prefix_nbytes);
  append(out, packed_.data(), packed_.data() + packed_nbytes_);
  append(out, data + nbytes - suffix_nbytes, data + nbytes);
}

JpegStatus JpegPacker::pack(const uint8_t* data, size_t nbytes, int target_width,
                            std::vector<uint8_t>& out) {
  if (is_packed(data, nbytes)) return not_packable("it is packed already");
  if (nbytes > UINT32_MAX) return not_packable("it has too many bytes");
  JpegHeader header;
  JpegStatus status = header.read(data, nbytes);
  if (!status) return status;
  status = header.decodable();
  if (!status) return not_packable(status.text);
  status = plan(header);
  if (!status) return status;
  const int width = header.mcu_width();
  interval_ = std::clamp((target_width + width / 2) / width, 1, columns_);
  offsets_.clear();
  packed_nbytes_ = 0;
  const uint8_t* stop = data;
  status = pack_scan(header, data + header.scan.data_offset, data + nbytes, &stop);
  if (!status) return status;
  write_file(data, nbytes, header.scan.data_offset, size_t(data + nbytes - stop), out);
  return {};
}

}  // namespace imnet
