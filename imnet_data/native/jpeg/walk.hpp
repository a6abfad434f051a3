// Whether entropy-coded data is sound, found by stepping over its symbols: a yes is certain, and
// costs less than decoding; where it is no, JpegDecoder finds the place.
//
// Restart intervals are walked three at a time. A scan without any is walked from three places at
// once, two of which are guesses that the start of an MCU is there. Huffman codes fall into step by
// themselves: a walk that comes by and meets a block's end of the guessed one, at the same bit and
// of the same block of an MCU, would go on as that did, so it takes over from where that has come.
//
// Source: Klein, Wiseman, The Computer Journal 46 (5), 2003 (parallel decoding of Huffman codes).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/skip.hpp"
#include "jpeg/tables.hpp"

namespace imnet {

class ScanWalk {  // keeps its tables between images
 public:
  // Takes the tables of header.scan; false where one of them is missing, or is none.
  bool plan(const JpegHeader& header);
  // Whether `mcus` MCUs are in `data`, `interval` of them up to each of `ends` (bytes), the rest up
  // to the last one. The data is unstuffed, and kScanPadding bytes after it can be read, the first
  // of them 0.
  bool sound(const uint8_t* data, const std::vector<size_t>& ends, int64_t interval, int64_t mcus);

 private:
  static constexpr int64_t kBlocksAtOnce = 512;  // whose ends fit the first-level cache

  static constexpr size_t kGuessNbytes = 1024;  // of a scan that is worth guessing in
  static constexpr size_t kTailNbytes = 64;      // not walked by guesses: the end is behind the data

  struct Walk {  // what a lane has to do, or has done
    int64_t left = 0;      // blocks of an interval
    int64_t done = 0;      // blocks of a part of a scan
    int64_t recorded = 0;  // of `done`, the first ones, whose ends are in `first`
    bool recording = false;
    std::array<uint64_t, kBlocksAtOnce + kSkipSlack> ends, first;
  };
  enum class Part { under_way, at_end, unsound };

  bool sound_intervals(const std::vector<size_t>& ends, int64_t interval, int64_t mcus);
  void start(int lane, size_t first, size_t end, int64_t mcus);
  void go_on(int lane);
  bool finish(int lane);  // what was walked; false where it is not sound
  bool finish_alone(int lane);

  bool sound_parts(size_t nbytes, int64_t blocks);
  void guess(int lane, uint64_t bit, uint64_t limit);
  bool walk_parts();
  Part look_at(int lane);
  Part fall_in(int guessed, int64_t& done);

  SkipFunction skip_ = nullptr;
  const uint8_t* data_ = nullptr;
  TableCache<SkipTable, BlockSpecs> tables_;
  std::array<SkipBlock, kMaxBlocksInMcu> ring_;
  std::array<SkipLane, kSkipLanes> lanes_;
  std::array<Walk, kSkipLanes> walks_;
  int block_count_ = 0;
};

}  // namespace imnet
