#include "jpeg/seekable.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "jpeg/append.hpp"
#include "jpeg/bit_writer.hpp"

namespace imnet {
namespace {

constexpr uint8_t kMark[] = {0xFF, 0xEA, 0x00, 0x0C, 'i', 'm', 'n', 'e', 't', 0x00, 0x01};
constexpr size_t kMarkSize = sizeof kMark + 3;  // pad, added codes of tables 0 and 1, of 2 and 3
constexpr uint8_t kRestart[] = {0xFF, 0xDD, 0x00, 0x04};
constexpr size_t kRestartSize = sizeof kRestart + 2;

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

bool JpegRewriter::missing_categories(const DcSpecs& specs,
                                      std::array<std::vector<uint8_t>, 4>& missing) const {
  std::array<uint32_t, 4> there{}, needed{};
  for (int id = 0; id < 4; ++id)
    for (int i = 0; i < specs[id].symbol_count; ++i)
      if (specs[id].symbols[i] < 16) there[id] |= 1u << specs[id].symbols[i];
  for (const JpegInterval& interval : intervals_.all())
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
  const std::vector<JpegInterval>& intervals = intervals_.all();
  const uint8_t* const data = intervals_.data();
  // each new difference has at most 31 bits, each interval is padded to a byte and has a marker, each
  // byte may be stuffed
  uint8_t* const begin =
      rewritten_.reserve(2 * (intervals.back().end / 8 + intervals.size() * 16) + 64);
  BitWriter writer(begin);
  for (size_t i = 0; i < intervals.size(); ++i) {
    const JpegInterval& interval = intervals[i];
    if (restarts && i > 0) {
      writer.finish(0xFF);
      writer.mark(uint8_t(0xD0 + ((i - 1) & 7)));
    }
    uint64_t at = interval.begin;
    for (int k = 0; k < interval.place_count; ++k) {
      const DcPlace& place = interval.places[k];
      writer.copy(data, at, place.begin);
      const int before = restarts ? 0 : intervals_.before(i, k);
      if (!encoders[place.table].put(int(unsigned(place.value) - unsigned(before)), writer))
        return false;
      at = place.end;
    }
    writer.copy(data, at, interval.end);
  }
  writer.finish(restarts ? 0xFF : pad);
  append(out, begin, begin + writer.size());
  return true;
}

JpegStatus JpegRewriter::seekable(const uint8_t* data, size_t nbytes, int target_width,
                                  std::vector<uint8_t>& out) {
  JpegHeader header;
  JpegStatus status = header.read(data, nbytes);
  if (!status) return status;
  status = header.decodable();
  if (!status) return not_seekable(status.text);
  if (header.dri_offset != 0) return not_seekable("it has a restart interval of its own");
  const int interval =
      restart_interval_near(header.mcu_columns(), header.mcu_width(), target_width);
  status = intervals_.plan(header, interval);
  if (!status) return status;
  const uint8_t* stop = data;
  status = intervals_.divide(data + header.scan.data_offset, data + nbytes, &stop);
  if (!status) return status;
  if (data + nbytes - stop < 2 || stop[1] != 0xD9)
    return not_seekable("the scan is not the end of the image");

  DcSpecs specs = header.dc;
  std::array<std::vector<uint8_t>, 4> missing;
  if (!missing_categories(specs, missing)) return not_seekable(kDamagedScan);
  for (int id = 0; id < 4; ++id)
    if (!missing[id].empty() && !add_codes(specs[id], missing[id]))
      return not_seekable("no room for more codes in a DC table");

  const size_t start = out.size();
  bool written = append_header(data, header.scan.sos_offset, header, specs, out);
  append(out, std::begin(kMark), std::end(kMark));
  out.push_back(uint8_t(intervals_.pad()));
  for (int id = 0; id < 4; id += 2)
    out.push_back(uint8_t(missing[id].size() << 4 | missing[id + 1].size()));
  append(out, std::begin(kRestart), std::end(kRestart));
  out.push_back(uint8_t(interval >> 8));
  out.push_back(uint8_t(interval));
  append(out, data + header.scan.sos_offset, data + header.scan.data_offset);
  written = written && write_scan(specs, true, 0, out);
  append(out, stop, data + nbytes);

  // The AC bits were copied, and added codes change no existing one, so what is left to check is
  // whether the header and the first differences can be restored.
  check_.clear();
  JpegHeader made;
  if (!written || !differences_are_canonical(header.dc) ||
      !made.read(out.data() + start, out.size() - start) ||
      !restore_header(made, out.data() + start, check_) ||
      check_.size() != header.scan.data_offset ||
      std::memcmp(check_.data(), data, check_.size()) != 0) {
    out.resize(start);
    return not_seekable("its bytes could not be restored exactly");
  }
  return {};
}

// Appends the original header; false where seekable() did not write this one.
bool JpegRewriter::restore_header(const JpegHeader& header, const uint8_t* data,
                                  std::vector<uint8_t>& out) {
  const size_t sos = header.scan.sos_offset, added = kMarkSize + kRestartSize;
  if (header.restart_interval == 0 || sos < added + 2) return false;
  const uint8_t* const mark = data + sos - added;
  if (std::memcmp(mark, kMark, sizeof kMark) != 0 ||
      std::memcmp(mark + kMarkSize, kRestart, sizeof kRestart) != 0)
    return false;
  restored_pad_ = mark[sizeof kMark];
  const uint8_t* const counts = mark + sizeof kMark + 1;
  restored_dc_ = header.dc;
  for (int id = 0; id < 4; ++id)
    if (!remove_codes(restored_dc_[id], counts[id / 2] >> (id % 2 == 0 ? 4 : 0) & 15)) return false;
  if (!append_header(data, sos - added, header, restored_dc_, out)) return false;
  append(out, data + sos, data + header.scan.data_offset);
  return true;
}

// Whether the differences that were rewritten have the codes that restore() writes.
bool JpegRewriter::differences_are_canonical(const DcSpecs& specs) {
  const DcEncoder encoders[4] = {DcEncoder(specs[0]), DcEncoder(specs[1]), DcEncoder(specs[2]),
                                 DcEncoder(specs[3])};
  const std::vector<JpegInterval>& intervals = intervals_.all();
  for (size_t k = 0; k < intervals.size(); ++k)
    for (int i = 0; i < intervals[k].place_count; ++i) {
      const DcPlace& place = intervals[k].places[i];
      const int difference = int(unsigned(place.value) - unsigned(intervals_.before(k, i)));
      const DcEncoder& encoder = encoders[place.table];
      if (encoder.length(difference) != int(place.end - place.begin)) return false;
      uint8_t again[16], there[16];
      BitWriter writer(again), copy(there);
      encoder.put(difference, writer);
      copy.copy(intervals_.data(), place.begin, place.end);
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
    return not_seekable("it was not made seekable here, or is damaged");
  }
  const uint8_t* stop = data;
  status = intervals_.plan(header, header.restart_interval);
  if (status) status = intervals_.find(data + header.scan.data_offset, data + nbytes, &stop);
  if (status && !write_scan(restored_dc_, false, restored_pad_, out))
    status = not_seekable(kDamagedScan);
  if (status)
    append(out, stop, data + nbytes);
  else
    out.resize(start);
  return status;
}

}  // namespace imnet
