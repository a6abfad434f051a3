#include "jpeg_seekable.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "jpeg_bit_writer.hpp"

#define IMNET_SCAN_TARGET
#include "jpeg_bits.hpp"

namespace imnet {
namespace {

constexpr uint8_t kMark[] = {0xFF, 0xEA, 0x00, 0x0C, 'i', 'm', 'n', 'e', 't', 0x00, 0x01};
constexpr size_t kMarkSize = sizeof kMark + 3;  // pad, added codes of tables 0 and 1, of 2 and 3
constexpr uint8_t kRestart[] = {0xFF, 0xDD, 0x00, 0x04};
constexpr size_t kRestartSize = sizeof kRestart + 2;
constexpr const char* kDamaged = "its image data is damaged";

JpegStatus no(const char* text) { return {JpegCode::not_seekable, text, 0}; }

void append(std::vector<uint8_t>& out, const uint8_t* begin, const uint8_t* end) {
  out.insert(out.end(), begin, end);
}

void append_stuffed(const uint8_t* data, size_t nbytes, std::vector<uint8_t>& out) {
  const uint8_t* const end = data + nbytes;
  while (data < end) {
    const auto* found = static_cast<const uint8_t*>(std::memchr(data, 0xFF, end - data));
    if (found == nullptr) {
      append(out, data, end);
      return;
    }
    append(out, data, found + 1);
    out.push_back(0);
    data = found + 1;
  }
}

uint64_t bit_position(const BitReader& reader, const uint8_t* data) {
  return 8 * uint64_t(reader.next - data) - (reader.count & 63);
}

}  // namespace

int restart_interval_near(int columns, int mcu_width, int target) {
  int best = columns;
  double best_ratio = 1e9;
  for (int count = 1; count <= columns; ++count) {
    if (columns % count != 0) continue;
    const double ratio = std::abs(std::log(double(count) * mcu_width / target));
    if (ratio < best_ratio) {
      best = count;
      best_ratio = ratio;
    }
  }
  return best;
}

JpegStatus JpegRewriter::plan(const JpegHeader& header) {
  const JpegScan& scan = header.scan;
  if (scan.count != header.component_count) return no("several scans");
  dc_tables_.start_scan();
  ac_tables_.start_scan();
  block_count_ = 0;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    if (header.dc[scan.dc[i]].offset == 0) return no("a Huffman table is not in the file");
    const DcTable* dc = dc_tables_.get(header.dc[scan.dc[i]]);
    const AcTable* ac = ac_tables_.get(header.ac[scan.ac[i]]);
    if (dc == nullptr || ac == nullptr) return no("a Huffman table is missing, or is none");
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k)
      blocks_[block_count_++] = {dc, ac, scan.component[i], scan.dc[i], k == 0};
  }
  const int64_t columns = (header.width + header.mcu_width() - 1) / header.mcu_width();
  const int64_t rows = (header.height + header.mcu_height() - 1) / header.mcu_height();
  mcus_ = columns * rows;
  return {};
}

uint8_t* JpegRewriter::reserve_data(size_t nbytes) {
  data_ = unstuffed_.reserve(kScanHeadroom + nbytes + kScanPadding) + kScanHeadroom;
  return data_;
}

bool JpegRewriter::walk_interval(int64_t mcu_count, bool restart, const uint8_t* end,
                                 BitReader& reader) {
  const uint8_t* const start = data_;
  Interval interval;
  interval.begin = bit_position(reader, start);
  const std::array<int, kMaxComponents> before = values_;
  if (restart) values_ = {};
  for (int64_t mcu = 0; mcu < mcu_count; ++mcu) {
    for (int i = 0; i < block_count_; ++i) {
      const Block& block = blocks_[i];
      int& value = values_[block.component];
      const uint64_t begin = bit_position(reader, start);
      if (!decode_dc(*block.dc, reader, value)) return false;
      if (mcu == 0 && block.first)
        interval.places[interval.place_count++] = {begin, bit_position(reader, start),
                                                   before[block.component], value, block.table};
      if (!read_ac<false>(*block.ac, reader, nullptr)) return false;
    }
    if (reader.next > end + 16) return false;
  }
  interval.end = bit_position(reader, start);
  intervals_.push_back(interval);
  return true;
}

JpegStatus JpegRewriter::end_walk(const BitReader& reader, const uint8_t* end) {
  const int64_t left = 8 * (end - data_) - int64_t(bit_position(reader, data_));
  if (left < 0) return no(kDamaged);
  if (left > 7) return no("bytes after the last block of the scan");
  pad_ = left == 0 ? 0 : end[-1] & ((1u << left) - 1);
  return {};
}

JpegStatus JpegRewriter::walk_whole(const uint8_t* data, const uint8_t* end,
                                    const uint8_t** stop) {
  uint8_t* const start = reserve_data(end - data);
  uint8_t* const last = start + unstuff(data, end, start, stop);
  std::memset(last, 0, kScanZeros);
  intervals_.clear();
  values_ = {};
  BitReader reader;
  reader.next = start;
  for (int64_t mcu = 0; mcu < mcus_; mcu += interval_)
    if (!walk_interval(std::min<int64_t>(interval_, mcus_ - mcu), false, last, reader))
      return no(kDamaged);
  return end_walk(reader, last);
}

JpegStatus JpegRewriter::walk_restarts(const uint8_t* data, const uint8_t* end,
                                       const uint8_t** stop) {
  uint8_t* last = reserve_data(end - data);
  intervals_.clear();
  values_ = {};
  for (int64_t mcu = 0; mcu < mcus_; mcu += interval_) {
    if (mcu > 0) {
      if (end - data < 2 || data[1] != 0xD0 + ((intervals_.size() - 1) & 7)) return no(kDamaged);
      data += 2;
    }
    BitReader reader;
    reader.next = last;
    last += unstuff(data, end, last, stop);
    std::memset(last, 0, kScanZeros);
    data = *stop;
    if (!walk_interval(std::min<int64_t>(interval_, mcus_ - mcu), true, last, reader))
      return no(kDamaged);
    const JpegStatus status = end_walk(reader, last);
    if (!status) return status;
  }
  return {};
}

bool JpegRewriter::missing_categories(const DcSpecs& specs,
                                      std::array<std::vector<uint8_t>, 4>& missing) const {
  std::array<uint32_t, 4> there{}, needed{};
  for (int id = 0; id < 4; ++id)
    for (int i = 0; i < specs[id].symbol_count; ++i)
      if (specs[id].symbols[i] < 16) there[id] |= 1u << specs[id].symbols[i];
  for (const Interval& interval : intervals_)
    for (int i = 0; i < interval.place_count; ++i) {
      const int size = difference_size(interval.places[i].value);
      if (size > 15) return false;
      needed[interval.places[i].table] |= 1u << size;
    }
  for (int id = 0; id < 4; ++id)
    for (int size = 0; size < 16; ++size)
      if ((needed[id] & ~there[id]) >> size & 1) missing[id].push_back(uint8_t(size));
  return true;
}

bool JpegRewriter::write_scan(const DcSpecs& specs, bool restarts, unsigned pad,
                              std::vector<uint8_t>& out) {
  const DcEncoder encoders[4] = {DcEncoder(specs[0]), DcEncoder(specs[1]), DcEncoder(specs[2]),
                                 DcEncoder(specs[3])};
  const uint8_t* const data = data_;
  // each new difference has 31 bits at most, each interval is filled up to a byte
  uint8_t* const begin =
      rewritten_.reserve(intervals_.back().end / 8 + intervals_.size() * 16 + 64);
  BitWriter writer(begin);
  for (size_t i = 0; i < intervals_.size(); ++i) {
    const Interval& interval = intervals_[i];
    uint64_t at = interval.begin;
    for (int k = 0; k < interval.place_count; ++k) {
      const DcPlace& place = interval.places[k];
      writer.copy(data, at, place.begin);
      const int before = restarts ? 0 : place.before;
      if (!encoders[place.table].put(int(unsigned(place.value) - unsigned(before)), writer))
        return false;
      at = place.end;
    }
    writer.copy(data, at, interval.end);
    if (!restarts) continue;
    writer.finish(0xFF);
    append_stuffed(begin, writer.size(), out);
    writer = BitWriter(begin);
    if (i + 1 < intervals_.size()) {
      out.push_back(0xFF);
      out.push_back(uint8_t(0xD0 + (i & 7)));
    }
  }
  if (!restarts) {
    writer.finish(pad);
    append_stuffed(begin, writer.size(), out);
  }
  return true;
}

JpegStatus JpegRewriter::seekable(const uint8_t* data, size_t nbytes, int target_width,
                                  std::vector<uint8_t>& out) {
  JpegHeader header;
  JpegStatus status = header.read(data, nbytes);
  if (!status) return status;
  status = header.decodable();
  if (!status) return no(status.text);
  if (header.dri_offset != 0) return no("it has a restart interval of its own");
  status = plan(header);
  if (!status) return status;
  interval_ = restart_interval_near((header.width + header.mcu_width() - 1) / header.mcu_width(),
                                    header.mcu_width(), target_width);
  const uint8_t* stop = data;
  status = walk_whole(data + header.scan.data_offset, data + nbytes, &stop);
  if (!status) return status;
  if (data + nbytes - stop < 2 || stop[1] != 0xD9)
    return no("the scan is not the end of the image");

  DcSpecs specs = header.dc;
  std::array<std::vector<uint8_t>, 4> missing;
  if (!missing_categories(specs, missing)) return no(kDamaged);
  for (int id = 0; id < 4; ++id)
    if (!missing[id].empty() && !add_codes(specs[id], missing[id]))
      return no("no room for more codes in a DC table");

  const size_t start = out.size();
  bool written = append_header(data, header.scan.sos_offset, header, specs, out);
  append(out, std::begin(kMark), std::end(kMark));
  out.push_back(uint8_t(pad_));
  for (int id = 0; id < 4; id += 2)
    out.push_back(uint8_t(missing[id].size() << 4 | missing[id + 1].size()));
  append(out, std::begin(kRestart), std::end(kRestart));
  out.push_back(uint8_t(interval_ >> 8));
  out.push_back(uint8_t(interval_));
  append(out, data + header.scan.sos_offset, data + header.scan.data_offset);
  written = written && write_scan(specs, true, 0, out);
  append(out, stop, data + nbytes);

  // The AC bits were copied, and codes that were added change none that was there; so what is left
  // to see is whether the header and the first differences come back.
  check_.clear();
  JpegHeader made;
  if (!written || !differences_are_canonical(header.dc) ||
      !made.read(out.data() + start, out.size() - start) ||
      !restore_header(made, out.data() + start, check_) ||
      check_.size() != header.scan.data_offset ||
      std::memcmp(check_.data(), data, check_.size()) != 0) {
    out.resize(start);
    return no("its bytes could not be had back exactly");
  }
  return {};
}

// Appends the header as it was before; false where it is not one of seekable().
bool JpegRewriter::restore_header(const JpegHeader& header, const uint8_t* data,
                                  std::vector<uint8_t>& out) {
  const size_t sos = header.scan.sos_offset, added = kMarkSize + kRestartSize;
  if (header.restart_interval == 0 || sos < added + 2) return false;
  const uint8_t* const mark = data + sos - added;
  if (std::memcmp(mark, kMark, sizeof kMark) != 0 ||
      std::memcmp(mark + kMarkSize, kRestart, sizeof kRestart) != 0)
    return false;
  pad_ = mark[sizeof kMark];
  const uint8_t* const counts = mark + sizeof kMark + 1;
  restored_dc_ = header.dc;
  for (int id = 0; id < 4; ++id)
    if (!remove_codes(restored_dc_[id], counts[id / 2] >> (id % 2 == 0 ? 4 : 0) & 15)) return false;
  if (!append_header(data, sos - added, header, restored_dc_, out)) return false;
  append(out, data + sos, data + header.scan.data_offset);
  return true;
}

// Whether the differences that are written anew have the codes that restore() would give them.
bool JpegRewriter::differences_are_canonical(const DcSpecs& specs) {
  const DcEncoder encoders[4] = {DcEncoder(specs[0]), DcEncoder(specs[1]), DcEncoder(specs[2]),
                                 DcEncoder(specs[3])};
  for (const Interval& interval : intervals_)
    for (int i = 0; i < interval.place_count; ++i) {
      const DcPlace& place = interval.places[i];
      const int difference = int(unsigned(place.value) - unsigned(place.before));
      const DcEncoder& encoder = encoders[place.table];
      if (encoder.length(difference) != int(place.end - place.begin)) return false;
      uint8_t again[16], there[16];
      BitWriter writer(again), copy(there);
      encoder.put(difference, writer);
      copy.copy(data_, place.begin, place.end);
      writer.finish(0);
      copy.finish(0);
      if (std::memcmp(again, there, writer.size()) != 0) return false;
    }
  return true;
}

JpegStatus JpegRewriter::restore(const uint8_t* data, size_t nbytes, std::vector<uint8_t>& out) {
  JpegHeader header;
  JpegStatus status = header.read(data, nbytes);
  if (!status) return status;
  const size_t start = out.size();
  if (!header.decodable() || !restore_header(header, data, out)) {
    out.resize(start);
    return no("it was not made seekable here, or is damaged");
  }
  const unsigned pad = pad_;
  const uint8_t* stop = data;
  interval_ = header.restart_interval;
  status = plan(header);
  if (status) status = walk_restarts(data + header.scan.data_offset, data + nbytes, &stop);
  if (status && !write_scan(restored_dc_, false, pad, out)) status = no(kDamaged);
  if (status)
    append(out, stop, data + nbytes);
  else
    out.resize(start);
  return status;
}

}  // namespace imnet
