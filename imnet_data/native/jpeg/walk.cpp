#include "jpeg/walk.hpp"

#include <algorithm>

#include "kernels.hpp"

namespace imnet {

bool ScanWalk::plan(const JpegHeader& header) {
  const JpegScan& scan = header.scan;
  tables_.start_scan();
  block_count_ = 0;
  for (int i = 0; i < scan.count; ++i) {
    const JpegComponent& part = header.components[scan.component[i]];
    const SkipTable* table = tables_.get({header.dc[scan.dc[i]], header.ac[scan.ac[i]]});
    if (table == nullptr) return false;
    const int count = scan.count == 1 ? 1 : part.h * part.v;
    for (int k = 0; k < count; ++k) ring_[block_count_++].table = table;
  }
  link(ring_.data(), block_count_);
  return true;
}

void ScanWalk::start(int lane, size_t first, size_t end, int64_t mcus) {
  SkipLane& at = lanes_[lane];
  at = SkipLane();
  at.state.bit = 8 * uint64_t(first);
  at.state.block = ring_.data();
  at.state.entries = ring_[0].table->first.data();
  at.limit = 8 * uint64_t(end);
  walks_[lane].left = mcus * block_count_;
  go_on(lane);
}

void ScanWalk::go_on(int lane) {
  Walk& walk = walks_[lane];
  lanes_[lane].state.end = walk.ends.data();
  lanes_[lane].last = walk.ends.data() + std::min(walk.left, kBlocksAtOnce);
}

bool ScanWalk::finish(int lane) {
  const SkipLane& at = lanes_[lane];
  Walk& walk = walks_[lane];
  if (!at.complete() || !at.sound) return false;
  // it may have continued for some blocks, into the data of the next interval
  const int64_t done = std::min<int64_t>(walk.left, at.state.end - walk.ends.data());
  if (walk.ends[done - 1] > at.limit) return false;
  walk.left -= done;
  return true;
}

bool ScanWalk::finish_alone(int lane) {
  while (walks_[lane].left > 0) {
    if (!lanes_[lane].stopped()) skip_(data_, &lanes_[lane], 1);
    if (!finish(lane)) return false;
    if (walks_[lane].left > 0) go_on(lane);
  }
  return true;
}

bool ScanWalk::sound(const uint8_t* data, const std::vector<size_t>& ends, int64_t interval,
                     int64_t mcus) {
  data_ = data;
  skip_ = kernels().skip;
  return ends.size() == 1 && ends[0] >= kGuessNbytes ? sound_parts(ends[0], mcus * block_count_)
                                                     : sound_intervals(ends, interval, mcus);
}

bool ScanWalk::sound_intervals(const std::vector<size_t>& ends, int64_t interval, int64_t mcus) {
  size_t next = 0;
  const auto start_next = [&](int lane) {
    const int64_t before = int64_t(next) * interval;
    start(lane, next == 0 ? 0 : ends[next - 1], ends[next], std::min(interval, mcus - before));
    ++next;
  };
  const int count = int(std::min<size_t>(kSkipLanes, ends.size()));
  for (int i = 0; i < count; ++i) start_next(i);
  // while there are enough, in turn; then the last ones by themselves
  for (bool in_turn = count == kSkipLanes; in_turn;) {
    skip_(data_, lanes_.data(), kSkipLanes);
    for (int i = 0; i < count && in_turn; ++i) {
      if (!lanes_[i].stopped()) continue;
      if (!finish(i)) return false;
      if (walks_[i].left > 0)
        go_on(i);
      else if (next < ends.size())
        start_next(i);
      else
        in_turn = false;
    }
  }
  for (int i = 0; i < count; ++i)
    if (!finish_alone(i)) return false;
  return true;
}

bool ScanWalk::sound_parts(size_t nbytes, int64_t blocks) {
  const size_t stop = nbytes - kTailNbytes;
  for (int i = 0; i < kSkipLanes; ++i)
    guess(i, 8 * (stop * i / kSkipLanes), 8 * (stop * (i + 1) / kSkipLanes));
  if (!walk_parts()) return false;
  int64_t done = walks_[0].done;
  lanes_[0].limit = 8 * uint64_t(nbytes);
  Part part = Part::at_end;
  for (int i = 1; i < kSkipLanes && part == Part::at_end; ++i) part = fall_in(i, done);
  if (part == Part::unsound || done > blocks) return false;
  walks_[0].left = blocks - done;
  go_on(0);
  return finish_alone(0);
}

void ScanWalk::guess(int lane, uint64_t bit, uint64_t limit) {
  SkipLane& at = lanes_[lane];
  Walk& walk = walks_[lane];
  at = SkipLane();
  at.state.bit = bit;
  at.state.block = ring_.data();
  at.state.entries = ring_[0].table->first.data();
  at.state.end = walk.first.data();
  at.last = walk.first.data() + kBlocksAtOnce;
  at.limit = limit;
  walk.done = walk.recorded = 0;
  walk.recording = true;
}

// Walks all parts to their ends; false where the first one, which is no guess, is not sound.
bool ScanWalk::walk_parts() {
  std::array<bool, kSkipLanes> going;
  going.fill(true);
  const auto settle = [&](int i) {
    const Part part = look_at(i);
    if (part == Part::under_way) return true;
    const uint64_t next = (lanes_[i].state.bit | 7) + 1, limit = lanes_[i].limit;
    const bool again = part == Part::unsound && next <= limit;
    if (part == Part::unsound && i == 0) return false;
    if (part == Part::unsound) guess(i, next, limit);  // it was no start of an MCU
    going[i] = again;
    return true;
  };
  while (going[0] && going[1] && going[2]) {
    skip_(data_, lanes_.data(), kSkipLanes);
    for (int i = 0; i < kSkipLanes; ++i)
      if (lanes_[i].stopped() && !settle(i)) return false;
  }
  for (int i = 0; i < kSkipLanes; ++i)
    while (going[i]) {
      if (!lanes_[i].stopped()) skip_(data_, &lanes_[i], 1);
      if (!settle(i)) return false;
    }
  return true;
}

// Counts what a lane that has stopped has walked, and prepares it to go on.
ScanWalk::Part ScanWalk::look_at(int lane) {
  SkipLane& at = lanes_[lane];
  Walk& walk = walks_[lane];
  const int64_t count =
      at.state.end - (walk.recording ? walk.first.data() : walk.ends.data());
  walk.done += count;
  if (walk.recording) walk.recorded = count;
  walk.recording = false;
  at.state.end = walk.ends.data();
  at.last = walk.ends.data() + kBlocksAtOnce;
  if (!at.sound) return Part::unsound;
  return at.state.bit > at.limit ? Part::at_end : Part::under_way;
}

// Goes on with the first lane until it meets the guessed one, and takes over from there: at_end. If
// they do not meet where the guessed one has its ends recorded, the first one is under_way.
ScanWalk::Part ScanWalk::fall_in(int guessed, int64_t& done) {
  constexpr int kAtOnce = 32;
  SkipLane& at = lanes_[0];
  const Walk& other = walks_[guessed];
  const uint64_t* const ends = walks_[0].ends.data();
  for (int64_t k = 0; k < other.recorded;) {
    at.state.end = walks_[0].ends.data();
    at.last = at.state.end + kAtOnce;
    skip_(data_, &at, 1);
    if (!at.sound || at.state.bit > at.limit) return Part::unsound;
    for (const uint64_t* end = ends; end < at.state.end; ++end) {
      ++done;
      while (k < other.recorded && other.first[k] < *end) ++k;
      if (k == other.recorded) continue;
      if (other.first[k] != *end || (k + 1 - done) % block_count_ != 0) continue;
      const uint64_t limit = at.limit;
      at = lanes_[guessed];
      at.limit = limit;
      done += other.done - (k + 1);
      return Part::at_end;
    }
  }
  return Part::under_way;
}

}  // namespace imnet
