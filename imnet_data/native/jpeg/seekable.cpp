#include "jpeg/seekable.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "jpeg/append.hpp"
#include "jpeg/bit_writer.hpp"

namespace imnet {
namespace {

constexpr uint8_t kApp[] = {0xFF, 0xEA};
constexpr uint8_t kName[] = {'i', 'm', 'n', 'e', 't', 0x00};
constexpr size_t kLengthSize = 2, kAddedSize = 2;
constexpr size_t kNameOffset = sizeof kApp + kLengthSize, kJointsOffset = kNameOffset + sizeof kName + 1;
constexpr size_t kFirstSize = kJointsOffset + 1 + kAddedSize;  // of the first version
constexpr size_t kSecondSize = kFirstSize + kLengthSize;       // without the joints
constexpr size_t kMostJoints = 0xFFFF - (kSecondSize - sizeof kApp);
constexpr uint8_t kRestart[] = {0xFF, 0xDD, 0x00, 0x04};
constexpr size_t kRestartSize = sizeof kRestart + 2;

unsigned load16(const uint8_t* bytes) { return unsigned(bytes[0]) << 8 | bytes[1]; }

void append16(std::vector<uint8_t>& out, size_t value) {
  out.push_back(uint8_t(value >> 8));
  out.push_back(uint8_t(value));
}

// Whether a segment of this version and size begins at `mark`.
bool is_mark(const uint8_t* mark, uint8_t version, size_t nbytes) {
  return std::memcmp(mark, kApp, sizeof kApp) == 0 &&
         load16(mark + sizeof kApp) == nbytes - sizeof kApp &&
         std::memcmp(mark + kNameOffset, kName, sizeof kName) == 0 &&
         mark[kJointsOffset - 1] == version;
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

// Room for all intervals, written anew.
uint8_t* JpegRewriter::scan_buffer() {
  // each new difference has at most 31 bits, each interval is padded to a byte and has a marker, each
  // byte may be stuffed
  const size_t count = intervals_.all().size();
  return rewritten_.reserve(2 * (intervals_.all().back().end / 8 + count * 16) + 64);
}

// Makes rewritten_ the scan with restart markers; notes how many bits fill each last byte.
bool JpegRewriter::write_intervals(const DcSpecs& specs) {
  const DcEncoder encoders[4] = {DcEncoder(specs[0]), DcEncoder(specs[1]), DcEncoder(specs[2]),
                                 DcEncoder(specs[3])};
  BitWriter writer(scan_buffer());
  pads_.clear();
  for (const JpegInterval& interval : intervals_.all()) {
    if (!pads_.empty()) writer.mark(uint8_t(0xD0 + ((pads_.size() - 1) & 7)));
    uint64_t at = interval.begin;
    for (int k = 0; k < interval.place_count; ++k) {
      const DcPlace& place = interval.places[k];
      writer.copy(intervals_.data(), at, place.bits.begin);
      if (!encoders[place.table].put(place.value, writer)) return false;
      at = place.bits.end;
    }
    writer.copy(intervals_.data(), at, interval.end);
    pads_.push_back(uint8_t(writer.finish(0xFF)));
  }
  rewritten_nbytes_ = writer.size();
  return true;
}

void JpegRewriter::write_joints() {
  const std::vector<JpegInterval>& intervals = intervals_.all();
  // a difference has at most 31 bits, each byte may be stuffed
  BitWriter writer(joints_.reserve(intervals.size() * 32 + kStuffingSlack));
  for (size_t i = 0; i < intervals.size(); ++i) {
    for (int k = 0; i > 0 && k < intervals[i].place_count; ++k) {
      const BitRange& bits = intervals[i].places[k].bits;
      writer.copy(intervals_.data(), bits.begin, bits.end);
    }
    writer.put(pads_[i], kPadBits);
  }
  writer.finish(0xFF);
  joints_nbytes_ = writer.size();
}

void JpegRewriter::append_mark(const std::array<std::vector<uint8_t>, 4>& missing, bool joined,
                               std::vector<uint8_t>& out) {
  const size_t nbytes = joined ? kSecondSize + joints_nbytes_ : kFirstSize;
  append(out, std::begin(kApp), std::end(kApp));
  append16(out, nbytes - sizeof kApp);
  append(out, std::begin(kName), std::end(kName));
  out.push_back(joined ? 2 : 1);
  if (joined) append(out, joints_.data(), joints_.data() + joints_nbytes_);
  out.push_back(uint8_t(intervals_.pad()));
  for (int id = 0; id < 4; id += 2)
    out.push_back(uint8_t(missing[id].size() << 4 | missing[id + 1].size()));
  if (joined) append16(out, nbytes - sizeof kApp);
}

JpegStatus JpegRewriter::seekable(const uint8_t* data, size_t nbytes, int target_width, bool joined,
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
  const bool written = append_header(data, header.scan.sos_offset, header, specs, out) &&
                       write_intervals(specs);
  if (written && joined) write_joints();
  append_mark(missing, joined && joints_nbytes_ <= kMostJoints, out);
  append(out, std::begin(kRestart), std::end(kRestart));
  append16(out, size_t(interval));
  append(out, data + header.scan.sos_offset, data + header.scan.data_offset);
  append(out, rewritten_.data(), rewritten_.data() + rewritten_nbytes_);
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

// Finds what append_mark() wrote; false where seekable() did not write this file.
bool JpegRewriter::read_mark(const JpegHeader& header, const uint8_t* data) {
  if (header.restart_interval == 0 || header.scan.sos_offset < kRestartSize) return false;
  const size_t end = header.scan.sos_offset - kRestartSize;
  if (std::memcmp(data + end, kRestart, sizeof kRestart) != 0) return false;
  mark_ = Mark();
  if (end >= kFirstSize && is_mark(data + end - kFirstSize, 1, kFirstSize)) {
    mark_.nbytes = kFirstSize;
    mark_.added = data + end - kAddedSize;
  } else {
    if (end < kSecondSize) return false;
    mark_.nbytes = load16(data + end - kLengthSize) + sizeof kApp;
    if (mark_.nbytes < kSecondSize || mark_.nbytes > end ||
        !is_mark(data + end - mark_.nbytes, 2, mark_.nbytes))
      return false;
    mark_.joints = data + end - mark_.nbytes + kJointsOffset;
    mark_.joints_nbytes = mark_.nbytes - kSecondSize;
    mark_.added = data + end - kLengthSize - kAddedSize;
  }
  mark_.pad = mark_.added[-1];
  return true;
}

// Appends the original header; false where seekable() did not write this one.
bool JpegRewriter::restore_header(const JpegHeader& header, const uint8_t* data,
                                  std::vector<uint8_t>& out) {
  if (!read_mark(header, data)) return false;
  restored_dc_ = header.dc;
  for (int id = 0; id < 4; ++id)
    if (!remove_codes(restored_dc_[id], mark_.added[id / 2] >> (id % 2 == 0 ? 4 : 0) & 15))
      return false;
  const size_t sos = header.scan.sos_offset;
  if (!append_header(data, sos - kRestartSize - mark_.nbytes, header, restored_dc_, out))
    return false;
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
      if (encoder.length(difference) != int(place.bits.end - place.bits.begin)) return false;
      uint8_t again[16], there[16];
      BitWriter writer(again), copy(there);
      encoder.put(difference, writer);
      copy.copy(intervals_.data(), place.bits.begin, place.bits.end);
      writer.finish(0);
      copy.finish(0);
      if (std::memcmp(again, there, writer.size()) != 0) return false;
    }
  return true;
}

// Appends the scan without restart markers.
bool JpegRewriter::write_joined(const uint8_t* joints, std::vector<uint8_t>& out) {
  const DcEncoder encoders[4] = {DcEncoder(restored_dc_[0]), DcEncoder(restored_dc_[1]),
                                 DcEncoder(restored_dc_[2]), DcEncoder(restored_dc_[3])};
  const std::vector<JpegInterval>& intervals = intervals_.all();
  const uint8_t* const data = intervals_.data();
  uint8_t* const begin = scan_buffer();
  BitWriter writer(begin);
  for (size_t i = 0; i < intervals.size(); ++i) {
    const JpegInterval& interval = intervals[i];
    uint64_t at = interval.begin;
    for (int k = 0; i > 0 && k < interval.place_count; ++k) {
      const DcPlace& place = interval.places[k];
      writer.copy(data, at, place.bits.begin);
      at = place.bits.end;
      if (joints != nullptr)
        writer.copy(joints, place.before.begin, place.before.end);
      else if (!encoders[place.table].put(
                   int(unsigned(place.value) - unsigned(intervals_.before(i, k))), writer))
        return false;
    }
    writer.copy(data, at, interval.end);
  }
  writer.finish(mark_.pad);
  append(out, begin, begin + writer.size());
  return true;
}

// The joints of what is restored; no data where there are none.
Joints JpegRewriter::read_joints() {
  if (mark_.joints == nullptr) return {};
  uint8_t* const begin = joints_.reserve(mark_.joints_nbytes + kScanPadding);
  const uint8_t* stop = nullptr;
  const size_t nbytes =
      kernels().unstuff(mark_.joints, mark_.joints + mark_.joints_nbytes, begin, &stop);
  std::memset(begin + nbytes, 0, kScanZeros);
  return {begin, nbytes};
}

JpegStatus JpegRewriter::restore(const uint8_t* data, size_t nbytes, bool is_hashed,
                                 std::vector<uint8_t>& out) {
  JpegHeader header;
  JpegStatus status = header.read(data, nbytes);
  if (!status) return status;
  const size_t start = out.size();
  if (!header.decodable() || !restore_header(header, data, out)) {
    out.resize(start);
    return not_seekable("it was not made seekable here, or is damaged");
  }
  const Joints joints = is_hashed ? read_joints() : Joints();
  const uint8_t* stop = data;
  status = intervals_.plan(header, header.restart_interval);
  if (status) status = intervals_.find(data + header.scan.data_offset, data + nbytes, joints, &stop);
  if (status && !write_joined(joints.data, out)) status = not_seekable(kDamagedScan);
  if (status)
    append(out, stop, data + nbytes);
  else
    out.resize(start);
  return status;
}

}  // namespace imnet
