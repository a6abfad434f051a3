#include "jpeg/intervals.hpp"

#include <algorithm>
#include <cstring>

#include "jpeg/dc_difference.hpp"
#include "jpeg/scan.hpp"
#include "kernels.hpp"

namespace imnet {
namespace {

constexpr const char* kNoTable = "a Huffman table is missing, or is none";

}  // namespace

JpegStatus JpegIntervals::plan(const JpegHeader& header, int interval) {
  const JpegScan& scan = header.scan;
  if (scan.count != header.component_count) return not_seekable("several scans");
  dc_tables_.start_scan();
  block_count_ = 0;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    const HuffmanSpec& spec = header.dc[scan.dc[i]];
    if (spec.offset == 0) return not_seekable("a Huffman table is not in the file");
    const DcTable* dc = dc_tables_.get(spec);
    if (dc == nullptr) return not_seekable(kNoTable);
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k) blocks_[block_count_++] = {dc, i, scan.dc[i], k == 0};
  }
  if (!walk_.plan(header)) return not_seekable(kNoTable);
  mcus_ = int64_t(header.mcu_columns()) * header.mcu_rows();
  interval_ = walked_ = interval;
  longest_ = std::min<int64_t>(interval, mcus_) * block_count_ + kSkipSlack;
  return {};
}

void JpegIntervals::reserve(size_t nbytes) {
  data_ = unstuffed_.reserve(nbytes + kScanPadding);
  if (starts_.size() < longest_ * kSkipLanes) starts_.resize(longest_ * kSkipLanes);
  intervals_.clear();
}

void JpegIntervals::start(SkipLane& lane, uint64_t* starts, size_t interval, uint64_t bit,
                          const uint8_t* end) const {
  const int64_t mcus = std::min<int64_t>(walked_, mcus_ - int64_t(interval) * interval_);
  lane = SkipLane();
  lane.state.bit = starts[0] = bit;
  lane.state.block = walk_.ring();
  lane.state.entries = walk_.ring()->table->first.data();
  lane.state.end = starts + 1;
  lane.last = lane.state.end + mcus * block_count_;
  lane.limit = 8 * (end - data_);
}

void JpegIntervals::take(const uint64_t* starts, const uint64_t* last,
                         const std::array<int, 3>& before, JpegInterval& interval) const {
  interval.begin = starts[0];
  interval.end = *last;
  std::array<int, 3> values = before;
  for (const uint64_t* mcu = starts; mcu < last; mcu += block_count_)
    for (int i = 0; i < block_count_; ++i) {
      const Block& block = blocks_[i];
      const DcDifference found = read_difference(*block.dc, data_, mcu[i]);
      int& value = values[block.component];
      value = int(unsigned(value) + unsigned(found.value));
      if (mcu == starts && block.first)
        interval.places[interval.place_count++] = {
            {mcu[i], mcu[i] + found.bits}, {}, value, block.table};
    }
  interval.values = values;
}

JpegStatus JpegIntervals::check_end(uint64_t bit, const uint8_t* end) {
  const uint64_t left = 8 * uint64_t(end - data_) - bit;
  if (left > 7) return not_seekable("bytes after the last block of the scan");
  pad_ = left == 0 ? 0 : end[-1] & ((1u << left) - 1);
  return {};
}

JpegStatus JpegIntervals::divide(const uint8_t* data, const uint8_t* end, const uint8_t** stop) {
  reserve(end - data);
  uint8_t* const last = data_ + kernels().unstuff(data, end, data_, stop);
  std::memset(last, 0, kScanZeros);
  if (!walk_.find_blocks(data_, last - data_, mcus_, last - data_)) return not_seekable(kDamagedScan);
  std::array<int, 3> values{};
  for (int64_t mcu = 0; mcu < mcus_; mcu += interval_) {
    JpegInterval& interval = intervals_.emplace_back();
    const uint64_t* const starts = walk_.starts() + mcu * block_count_;
    take(starts, starts + std::min<int64_t>(interval_, mcus_ - mcu) * block_count_, values, interval);
    values = interval.values;
  }
  return check_end(intervals_.back().end, last);
}

// Reads the joints, and finds the end of each interval, whose first MCU was walked.
bool JpegIntervals::join(const Joints& joints) {
  uint64_t bit = 0;
  for (size_t i = 0; i < intervals_.size(); ++i) {
    JpegInterval& interval = intervals_[i];
    DcPlace* place = interval.places.data();
    for (int k = 0; i > 0 && k < block_count_; ++k) {
      if (!blocks_[k].first) continue;
      const DcDifference found = read_difference(*blocks_[k].dc, joints.data, bit);
      place->before = {bit, bit + found.bits};
      bit = place++->before.end;
      if (bit > 8 * joints.nbytes) return false;
    }
    const uint64_t pad = load_big_endian(joints.data + (bit >> 3)) << (bit & 7) >> (64 - kPadBits);
    const uint64_t end = 8 * uint64_t(ends_[i] - data_) - pad;
    if (end < interval.end) return false;
    interval.end = end;
    bit += kPadBits;
  }
  return (bit + 7) / 8 == joints.nbytes;
}

JpegStatus JpegIntervals::find(const uint8_t* data, const uint8_t* end, const Joints& joints,
                               const uint8_t** stop) {
  reserve(end - data);
  if (joints.data != nullptr) walked_ = 1;
  ends_.clear();
  uint8_t* last = data_;
  const UnstuffFunction unstuff = kernels().unstuff;
  for (int64_t mcu = 0; mcu < mcus_; mcu += interval_) {
    if (mcu > 0) {
      if (end - data < 2 || data[1] != 0xD0 + ((ends_.size() - 1) & 7)) break;
      data += 2;
    }
    last += unstuff(data, end, last, stop);
    ends_.push_back(last);
    data = *stop;
  }
  std::memset(last, 0, kScanZeros);
  const size_t count = ends_.size();
  intervals_.resize(count);
  const JpegStatus status = walk_in_turn();
  if (!status) return status;
  const bool sound = int64_t(count) * interval_ >= mcus_ && (joints.data == nullptr || join(joints));
  return sound ? status : not_seekable(kDamagedScan);
}

// An interval that has ended makes room for the next one.
JpegStatus JpegIntervals::walk_in_turn() {
  const SkipFunction skip = kernels().skip;
  const size_t count = intervals_.size();
  SkipLane lanes[kSkipLanes];
  size_t walked[kSkipLanes];
  size_t next = 0, first_fault = count;
  JpegStatus status;
  const auto start_next = [&](int i) {
    walked[i] = next;
    const uint64_t bit = next == 0 ? 0 : 8 * uint64_t(ends_[next - 1] - data_);
    start(lanes[i], &starts_[i * longest_], next, bit, ends_[next]);
    ++next;
  };
  const auto note = [&](int i) {
    JpegInterval& interval = intervals_[walked[i]];
    const SkipLane& lane = lanes[i];
    const bool sound = lane.complete() && lane.sound && lane.last[-1] <= lane.limit;
    if (sound) take(&starts_[i * longest_], lane.last - 1, {}, interval);
    const JpegStatus now = !sound ? not_seekable(kDamagedScan)
                           : walked_ < interval_ ? JpegStatus()
                                                 : check_end(interval.end, ends_[walked[i]]);
    if (now || walked[i] > first_fault) return;
    first_fault = walked[i];
    status = now;
  };
  while (next < std::min<size_t>(kSkipLanes, count)) start_next(int(next));
  const int started = int(next);
  while (next < count) {
    skip(data_, lanes, kSkipLanes);
    for (int i = 0; i < kSkipLanes && next < count; ++i)
      if (lanes[i].stopped()) {
        note(i);
        start_next(i);
      }
  }
  for (int i = 0; i < started; ++i) {
    if (!lanes[i].stopped()) skip(data_, &lanes[i], 1);
    note(i);
  }
  return status;
}

}  // namespace imnet
