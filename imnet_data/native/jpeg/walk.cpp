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
  return ends.size() == 1 ? find_blocks(data, ends[0], mcus, ends[0]) : sound_intervals(ends, interval, mcus);
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

bool ScanWalk::find_blocks(const uint8_t* data, size_t nbytes, int64_t mcus, size_t likely) {
  data_ = data;
  skip_ = kernels().skip;
  const int64_t blocks = mcus * block_count_;
  const uint64_t limit = 8 * uint64_t(nbytes);
  if (uint64_t(blocks) > limit / 2) return false;  // each takes two bits at least
  reserve_starts(blocks);
  SkipLane& at = lanes_[0];
  likely = std::min(likely, nbytes - std::min(nbytes, kTailNbytes));
  if (likely < kGuessNbytes) {
    guess(0, 0, limit);
  } else {
    if (!walk_parts(likely)) return false;
    for (int i = 1; i < kSkipLanes && fall_in(i, limit); ++i) continue;
  }
  at.limit = limit;
  at.last = last_[0];
  while (!at.stopped()) skip_(data_, &at, 1);
  return at.sound && at.complete() && at.last[-1] <= limit;
}

// A guessed part has half of the blocks at most, or is not walked to its end.
void ScanWalk::reserve_starts(int64_t blocks) {
  const size_t count =
      size_t(1 + blocks + (kSkipLanes - 1) * (blocks / 2) + kSkipLanes * kSkipSlack);
  if (starts_.size() < count) starts_.resize(count);
  uint64_t* next = starts_.data();
  *next++ = 0;
  for (int i = 0; i < kSkipLanes; ++i) {
    ends_[i] = next;
    last_[i] = next + (i == 0 ? blocks : blocks / 2);
    next = last_[i] + kSkipSlack;
  }
}

void ScanWalk::guess(int lane, uint64_t bit, uint64_t limit) {
  SkipLane& at = lanes_[lane];
  at = SkipLane();
  at.state.bit = bit;
  at.state.block = ring_.data();
  at.state.entries = ring_[0].table->first.data();
  at.state.end = ends_[lane];
  at.last = last_[lane];
  at.limit = limit;
}

// Walks all parts to their ends; false where the first one, which is no guess, is not sound.
bool ScanWalk::walk_parts(size_t nbytes) {
  std::array<bool, kSkipLanes> going;
  going.fill(true);
  for (int i = 0; i < kSkipLanes; ++i)
    guess(i, 8 * (nbytes * i / kSkipLanes), 8 * (nbytes * (i + 1) / kSkipLanes));
  const auto settle = [&](int i) {
    const SkipLane& at = lanes_[i];
    const uint64_t next = (at.state.bit | 7) + 1, limit = at.limit;
    going[i] = !at.sound && next <= limit;
    if (!at.sound && i == 0) return false;
    if (going[i]) guess(i, next, limit);  // it was no start of an MCU
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

// Goes on with the first lane until it meets the guessed one, and takes over what that has found;
// false where they do not meet.
bool ScanWalk::fall_in(int guessed, uint64_t limit) {
  constexpr int kAtOnce = 32;
  SkipLane& at = lanes_[0];
  at.limit = limit;
  const uint64_t* other = ends_[guessed];
  const uint64_t* const other_end = lanes_[guessed].state.end;
  for (;;) {
    uint64_t* end = at.state.end;
    at.last = std::min(end + kAtOnce, last_[0]);
    if (at.stopped()) return false;
    skip_(data_, &at, 1);
    for (; end < std::min(at.state.end, last_[0]); ++end) {
      while (other < other_end && *other < *end) ++other;
      if (other == other_end) return false;
      if (*other != *end || ((other - ends_[guessed]) - (end - ends_[0])) % block_count_ != 0)
        continue;
      const ptrdiff_t taken = std::min(other_end - (other + 1), last_[0] - (end + 1));
      std::copy_n(other + 1, taken, end + 1);
      at = lanes_[guessed];
      at.limit = limit;
      at.state.end = end + 1 + taken;
      return true;
    }
  }
}

}  // namespace imnet
