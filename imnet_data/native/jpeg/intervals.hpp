// The restart intervals of a scan, existing or to be added: which bits belong to each, and the DC
// differences that a restart changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"
#include "jpeg/tables.hpp"
#include "jpeg/walk.hpp"

namespace imnet {

constexpr const char* kDamagedScan = "its image data is damaged";

struct BitRange {
  uint64_t begin = 0, end = 0;
};

struct DcPlace {    // the first DC difference of a component in an interval
  BitRange bits;    // in the unstuffed data
  BitRange before;  // in the joints: what it was before there were intervals
  int value = 0;    // the DC value after it, if the prediction is right
  int table = 0;
};

struct JpegInterval {
  uint64_t begin = 0, end = 0;  // bits
  int place_count = 0;
  std::array<DcPlace, 3> places{};
  std::array<int, 3> values{};  // the last DC values, in the order of places
};

constexpr int kPadBits = 3;  // of the number of bits that fill a byte

struct Joints {  // unstuffed, kScanZeros zeros after them
  const uint8_t* data = nullptr;
  size_t nbytes = 0;
};

// Keeps its workspace between images. Statuses are `not_seekable` with the reason.
class JpegIntervals {
 public:
  // Must be called first; `interval` is in MCUs.
  JpegStatus plan(const JpegHeader& header, int interval);
  // Divides the scan at `data`, which has no restart markers; `*stop` is the marker after it.
  JpegStatus divide(const uint8_t* data, const uint8_t* end, const uint8_t** stop);
  // The same for a scan that has them. Where there are joints (see jpeg/seekable.hpp), only the first
  // MCU of each interval is walked, and there are no last DC values.
  JpegStatus find(const uint8_t* data, const uint8_t* end, const Joints& joints,
                  const uint8_t** stop);

  const std::vector<JpegInterval>& all() const { return intervals_; }
  // The DC value before a place, as if there were no restarts.
  int before(size_t interval, int place) const {
    return interval == 0 ? 0 : intervals_[interval - 1].values[place];
  }
  const uint8_t* data() const { return data_; }  // unstuffed; begin and end of all bits are in it
  unsigned pad() const { return pad_; }          // the bits after the last block

 private:
  struct Block {
    const DcTable* dc;
    int component, table;
    bool first;  // of its component in an MCU
  };

  void reserve(size_t nbytes);
  void start(SkipLane& lane, uint64_t* starts, size_t interval, uint64_t bit,
             const uint8_t* end) const;
  // Takes the interval whose blocks begin at `starts`; `last` is the end of the last one.
  void take(const uint64_t* starts, const uint64_t* last, const std::array<int, 3>& before,
            JpegInterval& interval) const;
  JpegStatus check_end(uint64_t bit, const uint8_t* end);
  JpegStatus walk_in_turn();
  bool join(const Joints& joints);

  TableCache<DcTable> dc_tables_;
  ScanWalk walk_;
  GrowingBuffer unstuffed_;
  uint8_t* data_ = nullptr;           // in unstuffed_
  std::vector<uint64_t> starts_;      // of the blocks of an interval, for each lane
  size_t longest_ = 0;                // numbers in it for each lane
  std::vector<const uint8_t*> ends_;  // of the data of each interval
  std::vector<JpegInterval> intervals_;
  std::array<Block, kMaxBlocksInMcu> blocks_;
  int block_count_ = 0, interval_ = 0, walked_ = 0;  // MCUs of an interval
  int64_t mcus_ = 0;
  unsigned pad_ = 0;
};

}  // namespace imnet
